import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface FileWatchOptions {
  /** Asked at each look, because a program may be found elsewhere later. */
  readonly files: () => readonly string[];
  readonly intervalMs: number;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  readonly onChange: () => void;
}

/**
 * Calls `onChange` when a file has become another and has then stayed so for one interval: a build
 * writes for a while. Looks instead of listening, because builds put a new file in the place of the
 * old one, and `fs.watch` follows the old one or misses it, depending on the system.
 */
export async function watchFiles(options: FileWatchOptions): Promise<void> {
  const { files, intervalMs, signal, onChange } = options;
  let known = await fingerprint(files());
  let last = known;
  while (!signal.aborted) {
    await sleep(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    const current = await fingerprint(files());
    if (current !== known && current === last && !current.includes(MISSING)) {
      known = current;
      onChange();
    }
    last = current;
  }
}

const MISSING = 'missing';

async function fingerprint(files: readonly string[]): Promise<string> {
  const facts = files.map(async (file) => {
    const stats = await stat(file).catch(() => undefined);
    if (stats === undefined) return `${file} ${MISSING}`;
    return `${file} ${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeMs}`;
  });
  return (await Promise.all(facts)).join('\n');
}
