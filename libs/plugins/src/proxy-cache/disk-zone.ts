import { createHash, randomBytes } from 'node:crypto';
import { open, mkdir, rename, unlink, utimes } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CacheZone, Logger, RequestContext } from '@polygate/plugin-sdk';
import { variantOf } from './cache-key.ts';
import { DiskFill, type FillHead } from './disk-fill.ts';
import { FileStream, readHead, type DiskHead } from './disk-file.ts';
import type { DiskSweeper } from './disk-sweeper.ts';

export type DiskSettings = NonNullable<CacheZone['disk']>;

export type DiskLookup =
  | { readonly kind: 'found'; readonly head: DiskHead; readonly body: FileStream }
  | {
      readonly kind: 'missing' | 'expired';
      /** Of the answer that stands at the key, if there is one. */
      readonly first: DiskHead | undefined;
    };

/** A file that is in use is noted as such this often: it is what the oldest are found by. */
const TOUCH_MS = 60_000;

/**
 * Answers in files, as proxy_cache of nginx keeps them: named after the key's digest, in levels of
 * folders. Files appear whole or not at all, so that threads and processes may share a folder, and
 * what a process leaves the next one finds.
 */
export class DiskZone {
  readonly #settings: DiskSettings;
  readonly #sweeper: DiskSweeper;
  readonly #log: Logger;

  constructor(settings: DiskSettings, sweeper: DiskSweeper, log: Logger) {
    this.#settings = settings;
    this.#sweeper = sweeper;
    this.#log = log;
  }

  /** Never rejects: a file that cannot be read is as good as none. */
  async find(key: string, ctx: RequestContext, nowMs: number): Promise<DiskLookup> {
    try {
      return await this.#find(key, ctx, nowMs);
    } catch (error) {
      this.#log.error(`a cached answer cannot be read: ${String(error)}`);
      return { kind: 'missing', first: undefined };
    }
  }

  async #find(key: string, ctx: RequestContext, nowMs: number): Promise<DiskLookup> {
    const opened = await this.#open(key);
    if (opened === undefined) return { kind: 'missing', first: undefined };
    const first = opened.head;
    if (first.vary.length === 0) return found(opened, first, nowMs);
    const variant = variantOf(first.vary, ctx);
    if (variant === first.variant) return found(opened, first, nowMs);
    await opened.file.close();
    const other = await this.#open(variantKey(first, variant));
    return other === undefined ? { kind: 'missing', first } : found(other, first, nowMs);
  }

  /** Whether there was something at the key. */
  purge(key: string): Promise<boolean> {
    return purgeFile(this.#settings, key);
  }

  /** `first`: what stands at the key already. */
  fill(key: string, first: DiskHead | undefined, head: FillHead): DiskFill {
    const isOther =
      first !== undefined &&
      first.vary.join() === head.vary.join() &&
      first.variant !== head.variant;
    const generation = first?.generation ?? randomBytes(8).toString('hex');
    const ownKey = isOther ? variantKey(first, head.variant) : key;
    const path = pathOf(this.#settings, ownKey);
    const temporary = join(this.#settings.path, `.new-${randomBytes(12).toString('hex')}`);
    return new DiskFill({
      head: { ...head, key: ownKey, generation },
      bytesMax: this.#settings.bytesMax,
      open: () => this.#create(temporary),
      publish: async (bytes) => {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await rename(temporary, path);
        this.#sweeper.wrote(bytes);
      },
      discard: () => unlink(temporary),
      log: this.#log,
    });
  }

  close(): void {
    this.#sweeper.release();
  }

  async #create(path: string): Promise<FileHandle> {
    await mkdir(this.#settings.path, { recursive: true, mode: 0o700 });
    return open(path, 'wx', 0o600);
  }

  async #open(key: string): Promise<Opened | undefined> {
    const path = pathOf(this.#settings, key);
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const read = await readHead(file);
      if (read?.head.key === key) {
        const { size, mtimeMs } = await file.stat();
        if (Date.now() - mtimeMs > TOUCH_MS) await touch(path);
        return { file, ...read, size };
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }
}

interface Opened {
  readonly file: FileHandle;
  readonly head: DiskHead;
  readonly bodyAt: number;
  readonly size: number;
}

async function found(
  { file, head, bodyAt, size }: Opened,
  first: DiskHead,
  nowMs: number,
): Promise<DiskLookup> {
  if (head.keptUntilMs > nowMs) {
    return { kind: 'found', head, body: new FileStream(file, bodyAt, size - bodyAt) };
  }
  await file.close();
  return { kind: 'expired', first };
}

/** No key that a client can choose has a zero in it, nor the number that only the file knows. */
function variantKey({ key, generation }: DiskHead, variant: string): string {
  return `${key}\0${generation}\0${variant}`;
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  try {
    await utimes(path, now, now);
  } catch (error) {
    // it was purged or swept meanwhile
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Whether there was an answer for the key. */
export async function purgeFile(settings: DiskSettings, key: string): Promise<boolean> {
  try {
    await unlink(pathOf(settings, key));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function pathOf({ path, levels }: DiskSettings, key: string): string {
  const digest = createHash('md5').update(key).digest('hex');
  const folders: string[] = [];
  let end = digest.length;
  for (const length of levels) {
    folders.push(digest.slice(end - length, end));
    end -= length;
  }
  return join(path, ...folders, digest);
}
