import { opendir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger, SharedState } from '@polygate/plugin-sdk';
import type { DiskSettings } from './disk-zone.ts';

/** nginx's `inactive`: what nobody asked for in so long a time goes. */
const INACTIVE_MS = 24 * 60 * 60_000;
/** A file that is being written is older than that only where its process has died. */
const UNFINISHED_MS = 60 * 60_000;
const INTERVAL_MS = 60_000;
/** So much of the zone is written by one thread until it looks, whatever the time. */
const WRITTEN_SHARE = 1 / 16;
const FILES_MAX = 4_000_000;

interface Found {
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/**
 * Keeps the files of a zone within its size. One thread of a process at a time looks at them, every
 * minute and after much was written.
 */
export class DiskSweeper {
  readonly #settings: DiskSettings;
  readonly #shared: SharedState;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  readonly #onReleased: () => void;
  #users = 0;
  #written = 0;
  #sweeping: Promise<void> | undefined;

  constructor(
    settings: DiskSettings,
    parts: { readonly shared: SharedState; readonly log: Logger; readonly onReleased: () => void },
  ) {
    this.#settings = settings;
    this.#shared = parts.shared;
    this.#log = parts.log;
    this.#onReleased = parts.onReleased;
    this.#timer = setInterval(() => this.#sweepInTurn(), INTERVAL_MS);
    this.#timer.unref();
  }

  use(): this {
    this.#users += 1;
    return this;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    clearInterval(this.#timer);
    this.#onReleased();
  }

  wrote(bytes: number): void {
    this.#written += bytes;
    if (this.#written < this.#settings.bytesMax * WRITTEN_SHARE) return;
    this.#written = 0;
    this.#start();
  }

  #sweepInTurn(): void {
    const key = `proxy-cache:sweep:${this.#settings.path}`;
    if (this.#shared.incrementWindow(key, 1, INTERVAL_MS / 2).count === 1) this.#start();
  }

  #start(): void {
    this.#sweeping ??= this.sweep(Date.now())
      .catch((error: unknown) => this.#log.error(`the cache cannot be swept: ${String(error)}`))
      .finally(() => (this.#sweeping = undefined));
  }

  /** Deletes what is past its time, and what was used longest ago until the rest fits. */
  async sweep(nowMs: number): Promise<void> {
    const { path, levels, bytesMax } = this.#settings;
    const kept: Found[] = [];
    let bytes = 0;
    for await (const file of filesIn(path, levels.length, nowMs)) {
      if (nowMs - file.usedMs > INACTIVE_MS) {
        await remove(file.path);
        continue;
      }
      bytes += file.bytes;
      if (kept.length < FILES_MAX) kept.push(file);
    }
    if (bytes <= bytesMax) return;
    kept.sort((a, b) => a.usedMs - b.usedMs);
    for (const file of kept) {
      if (bytes <= bytesMax) return;
      await remove(file.path);
      bytes -= file.bytes;
    }
  }
}

async function* filesIn(folder: string, depth: number, nowMs: number): AsyncGenerator<Found> {
  let entries;
  try {
    entries = await opendir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  for await (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      // nothing but our own folders
      if (depth > 0 && /^[0-9a-f]{1,2}$/.test(entry.name)) yield* filesIn(path, depth - 1, nowMs);
    } else if (/^[0-9a-f]{32}$/.test(entry.name) || entry.name.startsWith('.new-')) {
      const found = await look(path);
      if (found === undefined) continue;
      if (!entry.name.startsWith('.new-')) yield found;
      else if (nowMs - found.usedMs > UNFINISHED_MS) await remove(path);
    }
  }
}

async function look(path: string): Promise<Found | undefined> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { path, bytes: size, usedMs: mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
