import { LineFile } from './line-file.ts';
import type { Logger } from './request-context.ts';

/** A line is in the file at once while it is quiet, and this long after under load. */
const FLUSH_MS = 20;
const PROMPT_WRITES_MAX = 4;
const BUFFER_BYTES = 64 * 1024;

interface SharedFile {
  readonly file: LineFile;
  users: number;
}

/** The files that plugins of one thread write lines to: one writer a path, whoever asks for it. */
export class LineFiles {
  readonly #files = new Map<string, SharedFile>();

  /** Opened with the first line; missing folders are an error then. To be given back by `release`. */
  acquire(path: string, log: Logger): LineFile {
    let shared = this.#files.get(path);
    if (shared === undefined) {
      const file = new LineFile({
        path,
        bufferBytes: BUFFER_BYTES,
        flushMs: FLUSH_MS,
        promptWritesMax: PROMPT_WRITES_MAX,
        makesFolder: false,
        onProblem: (message) => log.error(message),
      });
      shared = { file, users: 0 };
      this.#files.set(path, shared);
    }
    shared.users += 1;
    return shared.file;
  }

  /** The last one closes the file, after what is waiting is written. */
  release(path: string): void {
    const shared = this.#files.get(path);
    if (shared === undefined) return;
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#files.delete(path);
    void shared.file.close();
  }

  /** For SIGUSR1. */
  reopen(): void {
    for (const { file } of this.#files.values()) file.reopen();
  }

  /** At the end of the thread. */
  async close(): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    await Promise.all(files.map(({ file }) => file.close()));
  }
}

/**
 * Of this thread, as standard output is: a signal to reopen means every file, and two writers of one
 * thread to one file would only make smaller writes.
 */
export const lineFiles = new LineFiles();
