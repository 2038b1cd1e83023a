import { readFileSync } from 'node:fs';
import path from 'node:path';

const ROOM_ROOT = 'apps/data-plane/src';

/** A room may import those of the rows above it, and its own. Type imports may look anywhere. */
const ORDER: readonly (readonly string[])[] = [
  ['http1', 'sockets', 'dns', 'tls', 'access-log', 'routing', 'upstream', 'state', 'metrics'],
  ['request'],
  ['pipeline', 'runner', 'control', 'discovery', 'health'],
  ['proxy', 'config'],
  ['explain'],
  ['server'],
  ['http2'],
  ['worker'],
  ['control-api'],
];

/** One sentence for each import that points up. */
export function folderOrderProblems(root: string, sources: readonly string[]): string[] {
  return sources
    .filter((file) => file.startsWith(`${ROOM_ROOT}/`) && !/\.(test|bench|harness)\.ts$/.test(file))
    .flatMap((file) =>
      valueImports(readFileSync(path.join(root, file), 'utf8'))
        .map((target) => path.normalize(path.join(path.dirname(file), target)))
        .filter((target) => target.startsWith(`${ROOM_ROOT}/`))
        .filter((target) => !mayImport(rowOf(file), rowOf(target), file, target))
        .map((target) => `${file} imports ${target}`),
    );
}

function mayImport(from: number, to: number, file: string, target: string): boolean {
  return to < from || roomOf(file) === roomOf(target);
}

/** Files beside the rooms (`main.ts`, `data-plane.ts`) come last. */
function rowOf(file: string): number {
  const row = ORDER.findIndex((rooms) => rooms.includes(roomOf(file)));
  return row === -1 ? ORDER.length : row;
}

function roomOf(file: string): string {
  const [room = '', ...more] = path.relative(ROOM_ROOT, file).split(path.sep);
  return more.length === 0 ? '' : room;
}

function valueImports(text: string): string[] {
  return [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'/gms)].map(
    (match) => match[1] as string,
  );
}
