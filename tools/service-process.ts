// Test-only: one of our programs as a process of its own.
import { spawn } from 'node:child_process';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '..');

export interface ServiceProcess {
  readonly pid: number;
  /** Everything it wrote so far, both streams. */
  output(): string;
  /** Waits for the first line that matches and answers the match. Rejects when the process ends first. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** The exit code once it has ended by itself, -1 when it was killed. */
  readonly exited: Promise<number>;
  /** Sends SIGTERM, or the signal given; answers the exit code, -1 when it was killed. */
  stop(signal?: NodeJS.Signals): Promise<number>;
}

/** `script` is below the project's folder; runs there, on the Node that runs the tests. */
export function startService(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): ServiceProcess {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: ROOT,
    env: {
      ...process.env,
      PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  const waiting = new Set<() => void>();
  const note = (chunk: Buffer): void => {
    written += chunk.toString();
    for (const look of waiting) look();
  };
  child.stdout.on('data', note);
  child.stderr.on('data', note);
  const exited = new Promise<number>((resolve) => {
    child.once('exit', (code) => {
      resolve(code ?? -1);
      for (const look of waiting) look();
    });
  });
  return {
    pid: child.pid ?? 0,
    exited,
    output: () => written,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(written);
          const ended = child.exitCode !== null || child.signalCode !== null;
          if (match === null && !ended) return;
          waiting.delete(look);
          if (match !== null) resolve(match);
          else reject(new Error(`${script} ended before it wrote ${String(pattern)}:\n${written}`));
        };
        waiting.add(look);
        look();
      }),
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}
