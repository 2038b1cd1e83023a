import { spawn } from 'node:child_process';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../..');

const OUTPUT_CHARS_MAX = 64 * 1024;
/** From SIGTERM to SIGKILL. */
const STOP_MS_MAX = 8000;
const LINE_WAIT_MS_MAX = 60_000;

export interface ChildOptions {
  readonly name: string;
  readonly command: readonly string[];
  /** Where it runs. Default: the project's folder. */
  readonly folder?: string;
  /** Beside our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** List for `taskset -c`; undefined: not pinned. */
  readonly cpus: string | undefined;
}

export interface Child {
  /** Of the program itself: taskset turns into it. */
  readonly pid: number;
  /** The end of what it wrote, both streams. */
  output(): string;
  /** The first line that matches. Rejects when the process ends first, or after a minute. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** The exit code; -1 when it was killed. */
  readonly exited: Promise<number>;
  /** SIGTERM, and SIGKILL to its process group when that does not help. Answers the exit code. */
  stop(): Promise<number>;
}

/** All processes of a run. They are stopped when `signal` aborts; then none can be started. */
export class Children {
  readonly #running = new Set<Child>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => void this.stopAll());
  }

  /** Throws when the run has been stopped. */
  start(options: ChildOptions): Child {
    this.#signal.throwIfAborted();
    const child = startChild(options);
    this.#running.add(child);
    void child.exited.then(() => this.#running.delete(child));
    return child;
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((child) => child.stop()));
  }
}

function startChild({ name, command, cpus, folder = ROOT, env = {} }: ChildOptions): Child {
  const [program = '', ...args] =
    cpus === undefined ? command : ['taskset', '-c', cpus, ...command];
  // A process group of its own: Ctrl-C reaches only us, and we stop the others in order.
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  const waiting = new Set<() => void>();
  const lookAll = (): void => waiting.forEach((look) => look());
  const note = (chunk: Buffer): void => {
    written = (written + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
    lookAll();
  };
  child.stdout.on('data', note);
  child.stderr.on('data', note);
  let ended = false;
  const exited = new Promise<number>((resolve) => {
    const end = (code: number): void => {
      ended = true;
      resolve(code);
      lookAll();
    };
    child.once('error', (error) => {
      note(Buffer.from(error.message));
      end(-1);
    });
    // `close`, not `exit`: by then everything it wrote has been read
    child.once('close', (code) => end(code ?? -1));
  });
  const pid = child.pid ?? 0;
  return {
    pid,
    exited,
    output: () => written,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const settle = (act: () => void): void => {
          waiting.delete(look);
          clearTimeout(late);
          act();
        };
        const fail = (what: string): void =>
          settle(() => reject(new Error(`${name} ${what} ${String(pattern)}:\n${written}`)));
        const look = (): void => {
          const match = pattern.exec(written);
          if (match !== null) settle(() => resolve(match));
          else if (ended) fail('ended before it wrote');
        };
        const late = setTimeout(() => fail('has not written'), LINE_WAIT_MS_MAX);
        waiting.add(look);
        look();
      }),
    async stop() {
      if (ended || pid === 0) return exited;
      child.kill('SIGTERM');
      const late = setTimeout(() => killGroup(pid), STOP_MS_MAX);
      const code = await exited;
      clearTimeout(late);
      return code;
    },
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // it ended by itself just now
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
