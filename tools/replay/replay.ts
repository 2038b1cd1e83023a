// Replays recorded calls at a plugin runner, offline, and tells which ones it answers differently.
//   node tools/replay/replay.ts FILE [--timeout-ms N] (--socket PATH | --cmd PROGRAM [ARGUMENT…])
// FILE: what POST /apisix/admin/polygate/runners/{name}/record answered.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { lineDiff } from './line-diff.ts';
import { readRecording } from './recording.ts';
import { replayCall } from './replay-call.ts';
import { startRunner } from './runner-under-replay.ts';

const USAGE =
  'usage: replay.ts FILE [--timeout-ms N] (--socket PATH | --cmd PROGRAM [ARGUMENT…])\n' +
  'exit code: 0 the same answers, 1 different ones, 2 the replay could not be made';
const TIMEOUT_MS = 10_000;
const LINE_LENGTH_MAX = 200;

interface Settings {
  readonly file: string;
  readonly timeoutMs: number;
  readonly target: { readonly socketPath: string } | { readonly cmd: readonly string[] };
}

try {
  process.exitCode = await replay(readSettings(process.argv.slice(2)));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}

async function replay({ file, timeoutMs, target }: Settings): Promise<number> {
  const calls = readRecording(await readFile(file, 'utf8'));
  const runner = 'cmd' in target ? await startRunner(target.cmd) : undefined;
  const socketPath = 'cmd' in target ? (runner?.socketPath ?? '') : target.socketPath;
  let different = 0;
  try {
    for (const [i, call] of calls.entries()) {
      const { request, recorded, replayed } = await replayCall(call, socketPath, timeoutMs);
      const isSame = recorded.join('\n') === replayed.join('\n');
      console.log(`${isSame ? 'same     ' : 'different'} ${i + 1} ${cut(request)}`);
      if (isSame) continue;
      different += 1;
      for (const line of lineDiff(recorded, replayed)) console.log(`    ${cut(line)}`);
    }
  } finally {
    await runner?.stop();
  }
  console.log(`${calls.length - different} of ${calls.length} calls got the same answer`);
  return different === 0 ? 0 : 1;
}

function cut(text: string): string {
  return text.length <= LINE_LENGTH_MAX ? text : `${text.slice(0, LINE_LENGTH_MAX)}…`;
}

function readSettings(args: readonly string[]): Settings {
  const cmdAt = args.indexOf('--cmd');
  const own = cmdAt === -1 ? args : args.slice(0, cmdAt);
  const [file, ...options] = own;
  const settings = new Map<string, string>();
  for (let i = 0; i < options.length; i += 2) {
    settings.set(options[i] ?? '', options[i + 1] ?? '');
  }
  const socketPath = settings.get('--socket');
  const cmd = cmdAt === -1 ? undefined : args.slice(cmdAt + 1);
  const timeoutMs = Number(settings.get('--timeout-ms') ?? TIMEOUT_MS);
  const isUnknown = [...settings.keys()].some((key) => !['--socket', '--timeout-ms'].includes(key));
  const target = cmd === undefined ? socketPath && { socketPath: resolve(socketPath) } : { cmd };
  const hasOne = (cmd === undefined) !== (socketPath === undefined) && cmd?.length !== 0;
  if (file === undefined || file.startsWith('--') || isUnknown || !hasOne || !target) {
    throw new Error(USAGE);
  }
  if (!(timeoutMs >= 1)) throw new Error(`--timeout-ms must be a number above 0\n${USAGE}`);
  return { file, timeoutMs, target };
}
