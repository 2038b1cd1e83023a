import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodePrepareConfResponse, FrameType } from '@polygate/runner-protocol';
import { describeSeen, Probe } from './probe.ts';

export interface UnderTestOptions {
  /** Command and arguments; or `socket`. */
  readonly command?: readonly string[];
  /** Path of a runner that somebody else has started. */
  readonly socket?: string;
  readonly startMsMax: number;
  readonly waitMs: number;
}

/** The plugin that a runner must have for most rules, and what it is told to do. */
export const CHECK_PLUGIN = 'polygate-check';

const LINES_KEPT = 20;
const POLL_MS = 20;
const NOTICE_MS = 2_000;

/** One runner, started as Polygate starts it: a process group and a socket of its own. */
export class RunnerUnderTest {
  readonly path: string;
  readonly waitMs: number;
  readonly #options: UnderTestOptions;
  readonly #folder: string | undefined;
  readonly #lines: string[] = [];
  #child: ChildProcess | undefined;
  #exit: Promise<string> | undefined;
  #ended: string | undefined;
  #keys = 0;

  constructor(options: UnderTestOptions) {
    this.#options = options;
    this.waitMs = options.waitMs;
    this.#folder =
      options.socket === undefined ? mkdtempSync(join(tmpdir(), 'runner-check-')) : undefined;
    this.path = options.socket ?? join(this.#folder ?? '', 'runner.sock');
  }

  get hasProcess(): boolean {
    return this.#options.command !== undefined;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** How it ended; undefined while it runs. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** What it wrote last. */
  get lastLines(): readonly string[] {
    return this.#lines;
  }

  /** Waits until it accepts connections. @throws {Error} where it does not in time */
  async start(): Promise<void> {
    const { command, startMsMax } = this.#options;
    if (command !== undefined) this.#spawn(command);
    const untilMs = performance.now() + startMsMax;
    for (;;) {
      const error = await this.#tryConnect();
      if (error === undefined) return;
      if (this.#ended !== undefined) throw new Error(`the runner ended: ${this.#ended}`);
      if (performance.now() > untilMs) throw new Error(`nobody listens: ${error}`);
      await sleep(POLL_MS);
    }
  }

  connect(): Promise<Probe> {
    return Probe.connect(this.path);
  }

  /**
   * A token for the check plugin, over a connection of its own: a runner may write more than one
   * answer. @throws {Error} where it gives none
   */
  async token(conf: object): Promise<number> {
    return this.tokenOf([{ name: CHECK_PLUGIN, value: JSON.stringify(conf) }]);
  }

  async tokenOf(conf: readonly { name: string; value: string }[]): Promise<number> {
    const probe = await this.connect();
    try {
      const seen = await probe.prepare(conf, this.newKey(), this.waitMs);
      if (seen.kind === 'frame' && seen.type === FrameType.PREPARE_CONF) {
        return decodePrepareConfResponse(seen.payload).confToken;
      }
      throw new Error(`PrepareConf got ${describeSeen(seen)}`);
    } finally {
      probe.close();
    }
  }

  /** As APISIX makes them, each another. */
  newKey(): string {
    this.#keys += 1;
    return `route#${this.#keys}#ext-plugin-pre-req#${this.#keys}`;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** How it ended, or undefined when it still runs after `ms`. */
  async exitWithin(ms: number): Promise<string | undefined> {
    return Promise.race([this.#exit, sleep(ms, undefined, { ref: false })]);
  }

  /**
   * The connections of a process close a little before its parent hears that it ended, and its listening
   * socket may close last: only one that answers is known to live.
   */
  async noticeEnd(): Promise<void> {
    if (this.hasProcess && !(await this.#answers())) await this.exitWithin(NOTICE_MS);
  }

  /** Whether a process of its group is left. */
  hasOrphans(pid: number): boolean {
    try {
      return process.kill(-pid, 0);
    } catch {
      return false;
    }
  }

  /** Leaves a socket at the path that nobody listens on, as a killed runner does. */
  async leaveStaleSocket(): Promise<void> {
    rmSync(this.path, { force: true });
    const server = createServer();
    const bound = `${this.path}.b`;
    await new Promise<void>((resolve) => server.listen(bound, resolve));
    renameSync(bound, this.path);
    await new Promise((resolve) => server.close(resolve));
  }

  get socketExists(): boolean {
    return existsSync(this.path);
  }

  /** With all of its group. */
  async kill(): Promise<void> {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // The group is gone already.
    }
    await this.#exit;
    this.#child = undefined;
  }

  async dispose(): Promise<void> {
    await this.kill();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(command: readonly string[]): void {
    const [program = '', ...args] = command;
    this.#ended = undefined;
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        APISIX_LISTEN_ADDRESS: `unix:${this.path}`,
        APISIX_CONF_EXPIRE_TIME: '3600',
      },
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.#keep(text));
    }
    this.#exit = new Promise((resolve) => {
      const end = (how: string) => {
        this.#ended = how;
        resolve(how);
      };
      child.on('error', (error) => end(error.message));
      child.on('exit', (code, signal) => end(code === null ? `${signal}` : `status ${code}`));
    });
  }

  #keep(text: string): void {
    this.#lines.push(...text.split('\n').filter((line) => line !== ''));
    this.#lines.splice(0, Math.max(0, this.#lines.length - LINES_KEPT));
  }

  async #answers(): Promise<boolean> {
    try {
      const probe = await this.connect();
      const seen = await probe.prepare([], this.newKey(), this.waitMs);
      probe.close();
      return seen.kind === 'frame';
    } catch {
      return false;
    }
  }

  async #tryConnect(): Promise<string | undefined> {
    try {
      (await this.connect()).close();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }
}
