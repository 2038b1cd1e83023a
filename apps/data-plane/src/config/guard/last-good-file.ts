import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StoredItem } from '@polygate/config-store';

/** The configuration of one store, as it was at a revision. */
export interface LastGood {
  /** Which store it is of: another one's is of no use. */
  readonly source: string;
  readonly revision: number;
  readonly items: readonly StoredItem[];
}

const FORMAT = 'polygate-last-good-1';
const FILE_BYTES_MAX = 512 * 1024 * 1024;
const SLICE_ITEMS = 200;

/**
 * Writes it as lines of JSON: a head, the items, a foot with their digest. Readable for nobody else;
 * the name is taken when all of it is on the disk. Rejects with what the file system says, and where
 * it would be over 512 MiB.
 */
export async function writeLastGood(
  file: string,
  { source, revision, items }: LastGood,
): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    const digest = createHash('sha256');
    let bytes = 0;
    let count = 0;
    const write = async (text: string): Promise<void> => {
      bytes += Buffer.byteLength(text);
      if (bytes > FILE_BYTES_MAX) throw new Error(`it would be over ${FILE_BYTES_MAX} bytes`);
      digest.update(text);
      await handle.write(text);
    };
    await write(`${JSON.stringify({ format: FORMAT, source, revision })}\n`);
    let slice = '';
    for (const item of items) {
      slice += `${JSON.stringify(item)}\n`;
      if (++count % SLICE_ITEMS !== 0) continue;
      await write(slice);
      slice = '';
    }
    await write(slice);
    await handle.write(`${JSON.stringify({ count, sha256: digest.digest('hex') })}\n`);
    await handle.sync();
    await handle.close();
    await rename(draft, file);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(draft, { force: true });
    throw error;
  }
}

/**
 * Undefined where there is no file. Rejects with Error where it is cut off, damaged, of another format
 * or of another store.
 */
export async function readLastGood(file: string, source: string): Promise<LastGood | undefined> {
  const info = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (info === undefined) return undefined;
  if (info.size > 2 * FILE_BYTES_MAX) throw new Error('it is too large');
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  const digest = createHash('sha256');
  const items: StoredItem[] = [];
  let head: Head | undefined;
  let last: string | undefined;
  for await (const line of lines) {
    if (last !== undefined) {
      digest.update(`${last}\n`);
      if (head === undefined) head = readHead(last, source);
      else items.push(JSON.parse(last) as StoredItem);
    }
    last = line;
    if (items.length % SLICE_ITEMS === 0) await nextTurn();
  }
  const foot = JSON.parse(last ?? '{}') as { count?: unknown; sha256?: unknown };
  const isWhole = foot.count === items.length && foot.sha256 === digest.digest('hex');
  if (head === undefined || !isWhole) throw new Error('it is cut off or damaged');
  return { source, revision: head.revision, items };
}

interface Head {
  readonly revision: number;
}

function readHead(line: string, source: string): Head {
  const head = JSON.parse(line) as { format?: unknown; source?: unknown; revision?: unknown };
  if (head.format !== FORMAT) throw new Error('it is of another format');
  if (head.source !== source) throw new Error('it is of another store');
  if (!Number.isSafeInteger(head.revision)) throw new Error('it has no revision');
  return { revision: head.revision as number };
}
