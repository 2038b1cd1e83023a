import { open } from 'node:fs/promises';
import { parseDebugFile } from '@polygate/chassis';
import type { DebugSettings } from '@polygate/chassis';
import type { Logger } from '@polygate/plugin-sdk';

export interface DebugFileOptions {
  readonly file: string;
  readonly log: Pick<Logger, 'warn' | 'error'>;
  /** Called with the settings of every change that can be read; all off when the file goes. */
  readonly onChange: (settings: DebugSettings) => void;
  readonly intervalMs?: number;
}

export interface DebugFile {
  close(): void;
}

const INTERVAL_MS = 1000;
const FILE_BYTES_MAX = 1024 * 1024;
const ALL_OFF: DebugSettings = { basic: false, hooks: false };
/** A file shorter than this without its end flag is empty rather than cut off. */
const SHORT_BYTES = 8;

/**
 * Looks at a debug file now, and then every second at whether it was changed. Resolves after the
 * first look. A file that breaks a rule is logged once and changes nothing; one that is missing
 * switches everything off. Follows apisix/debug.lua.
 */
export async function watchDebugFile(options: DebugFileOptions): Promise<DebugFile> {
  const look = changesOf(options);
  await look();
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => (looking = false));
  }, options.intervalMs ?? INTERVAL_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

/** Never rejects. */
function changesOf({ file, log, onChange }: DebugFileOptions): () => Promise<void> {
  let seen: string | undefined;
  return async () => {
    try {
      const found = await readChanged(file, seen);
      if (found === 'unchanged') return;
      ({ version: seen } = found);
      const settings = parseDebugFile(found.text, file);
      if (settings !== undefined) onChange(settings);
      else if (found.text.length > SHORT_BYTES) log.warn(`missing valid end flag in file ${file}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        if (seen !== undefined) onChange(ALL_OFF);
        seen = undefined;
      } else log.error(`failed to read ${file}: ${String(error)}`);
    }
  };
}

async function readChanged(
  file: string,
  seen: string | undefined,
): Promise<'unchanged' | { readonly version: string; readonly text: string }> {
  const handle = await open(file, 'r');
  try {
    const { mtimeNs, ino, size } = await handle.stat({ bigint: true });
    const version = `${ino} ${mtimeNs}`;
    if (version === seen) return 'unchanged';
    if (size > FILE_BYTES_MAX) return { version, text: '' };
    return { version, text: await handle.readFile('utf8') };
  } finally {
    await handle.close();
  }
}
