import { execFile } from 'node:child_process';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** `plugin_attr.log-rotate`. */
export interface RotationSettings {
  /** Seconds between two rotations, counted from 1970: an hour's begin on the hour. */
  readonly interval: number;
  /** Rotated files of each log. */
  readonly max_kept: number;
  /** Bytes of a file that is rotated before its time; 0 and less: none is. */
  readonly max_size: number;
  readonly enable_compression: boolean;
  /** Milliseconds that compressing one file may take. */
  readonly timeout: number;
}

export interface RotatedLog {
  /** Absolute. */
  readonly file: string;
  /** Whether it is written at all. */
  readonly isOn: boolean;
}

export interface LogRotationOptions {
  readonly access: RotatedLog;
  readonly error: RotatedLog;
  /** Everybody who writes opens the files anew. */
  readonly reopen: () => void;
  readonly log: { info(message: string): void; error(message: string): void };
}

/** Until those who write have opened their files anew: what they have written is in the old ones. */
const REOPEN_MS = 500;
const COMPRESSED = '.tar.gz';

/**
 * Moves log files away, as `2026-11-22_19-00-00__access.log` beside them, and deletes the oldest. Source:
 * apisix/plugins/log-rotate.lua.
 */
export class LogRotation {
  readonly #options: LogRotationOptions;
  #nextS: number | undefined;

  constructor(options: LogRotationOptions) {
    this.#options = options;
  }

  /** To be called every second. Never rejects. */
  async look(settings: RotationSettings, nowS = Math.floor(Date.now() / 1000)): Promise<void> {
    const { interval, max_size: sizeMax } = settings;
    if (this.#nextS === undefined) {
      this.#nextS = nowS + interval - (nowS % interval);
    } else if (nowS >= this.#nextS) {
      this.#nextS += interval * (1 + Math.floor((nowS - this.#nextS) / interval));
      await this.#rotate(this.#logs(), settings, nowS);
    } else if (sizeMax > 0) {
      const sizes = await Promise.all(this.#logs().map(({ file }) => sizeOf(file)));
      const large = this.#logs().filter((_, index) => (sizes[index] ?? 0) >= sizeMax);
      await this.#rotate(large, settings, nowS);
    }
  }

  /** The next look is the first. */
  forget(): void {
    this.#nextS = undefined;
  }

  #logs(): readonly RotatedLog[] {
    return [this.#options.error, this.#options.access].filter(({ isOn }) => isOn);
  }

  async #rotate(
    logs: readonly RotatedLog[],
    settings: RotationSettings,
    nowS: number,
  ): Promise<void> {
    if (logs.length === 0) return;
    const moved: string[] = [];
    for (const { file } of logs) {
      const target = path.join(path.dirname(file), `${stampOf(nowS)}__${path.basename(file)}`);
      const isMoved = await this.#attempt(`move file from ${file} to ${target}`, () =>
        rename(file, target),
      );
      if (isMoved) moved.push(target);
    }
    if (moved.length === 0) return;
    this.#options.reopen();
    if (settings.enable_compression) {
      await sleep(REOPEN_MS, undefined, { ref: false });
      for (const file of moved) await this.#compress(file, settings.timeout);
    }
    for (const { file } of logs) await this.#deleteOldest(file, settings.max_kept);
  }

  async #compress(file: string, timeout: number): Promise<void> {
    const [folder, name] = [path.dirname(file), path.basename(file)];
    const isPacked = await this.#attempt(`compress log file ${name}`, () =>
      promisify(execFile)('tar', ['-zcf', `${name}${COMPRESSED}`, name], { cwd: folder, timeout }),
    );
    if (isPacked) await this.#attempt(`remove uncompressed log file: ${file}`, () => rm(file));
  }

  async #deleteOldest(file: string, keptMax: number): Promise<void> {
    const [folder, name] = [path.dirname(file), path.basename(file)];
    await this.#attempt(`remove old log files of ${file}`, async () => {
      const rotated = (await readdir(folder)).filter((one) => {
        const mark = one.lastIndexOf('__');
        const from = mark === -1 ? '' : one.slice(mark + 2);
        return from === name || from === `${name}${COMPRESSED}`;
      });
      const old = rotated.sort().reverse().slice(keptMax);
      for (const one of old) await rm(path.join(folder, one));
    });
  }

  async #attempt(what: string, run: () => Promise<unknown>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      this.#options.log.error(`failed to ${what}: ${String(error)}`);
      return false;
    }
  }
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined);
  return found?.size ?? 0;
}

/** Local time. */
function stampOf(nowS: number): string {
  const at = new Date(nowS * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${day}_${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join('-')}`;
}
