import { setTimeout as sleep } from 'node:timers/promises';
import { FailureReason } from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { RunnerLimits } from '../manager-options.ts';
import { openRunnerSocket, RunnerConnection } from './runner-connection.ts';

type PoolLimits = Pick<
  RunnerLimits,
  'connectionsMax' | 'waitingCallsMax' | 'connectTimeoutMs' | 'connectionIdleMs'
>;

interface Waiter {
  readonly fresh: boolean;
  readonly resolve: (connection: RunnerConnection | Promise<RunnerConnection>) => void;
  readonly reject: (error: CallError) => void;
}

/** A connection, now or later. `abandon` leaves the queue; afterwards nothing comes any more. */
export interface Acquisition {
  readonly connection: Promise<RunnerConnection>;
  readonly abandon: () => void;
}

const IDLE_SWEEPS = 5;
/** A listener whose backlog is full answers EAGAIN at once: it is asked again after this. */
const BACKLOG_FULL_WAIT_MS = 10;

/**
 * The connections to one generation of the runner: bounded, reused, with a bounded queue before.
 */
export class RunnerConnections {
  readonly #path: string;
  readonly #limits: PoolLimits;
  readonly #open = new Set<RunnerConnection>();
  /** The last one used is used next, so that a quiet time lets the others go. */
  readonly #idle: RunnerConnection[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #sweeper: NodeJS.Timeout;
  #connecting = 0;
  #closedWhy: string | undefined;

  constructor(path: string, limits: PoolLimits) {
    this.#path = path;
    this.#limits = limits;
    this.#sweeper = setInterval(() => this.#sweep(), limits.connectionIdleMs / IDLE_SWEEPS);
    this.#sweeper.unref();
  }

  /** An idle connection, taken without waiting. */
  takeIdle(): RunnerConnection | undefined {
    return this.#idle.pop();
  }

  /**
   * @param fresh Never a used connection.
   * @throws {CallError} through the promise: UNAVAILABLE, or OVERLOADED when the queue is full.
   */
  acquire({ fresh }: { fresh: boolean }): Acquisition {
    const idle = fresh ? undefined : this.#idle.pop();
    if (idle !== undefined) return settled(Promise.resolve(idle));
    if (this.#closedWhy !== undefined) return settled(Promise.reject(this.#closedError()));
    if (this.#makeRoom(fresh)) return settled(this.#openOne());
    if (this.#waiters.size >= this.#limits.waitingCallsMax) {
      return settled(Promise.reject(overloaded(this.#waiters.size)));
    }
    const { promise, resolve, reject } = Promise.withResolvers<RunnerConnection>();
    const waiter: Waiter = { fresh, resolve, reject };
    this.#waiters.add(waiter);
    return { connection: promise, abandon: () => void this.#waiters.delete(waiter) };
  }

  /** Gives back a connection whose exchange ended well. */
  release(connection: RunnerConnection): void {
    if (!connection.reusable) return connection.destroy();
    const [waiter] = this.#waiters;
    if (waiter === undefined) {
      connection.idleSinceMs = performance.now();
      this.#idle.push(connection);
      return;
    }
    if (waiter.fresh) return connection.destroy();
    this.#waiters.delete(waiter);
    waiter.resolve(connection);
  }

  /** Opens the first connection: rejects with the socket's words while nobody listens. */
  async probe(): Promise<void> {
    const opened = await openRunnerSocket(this.#path, this.#limits.connectTimeoutMs);
    if (this.#closedWhy !== undefined) return void opened.socket.destroy();
    const connection = new RunnerConnection(opened, (closed) => this.#forget(closed));
    this.#open.add(connection);
    this.release(connection);
  }

  /** The runner is gone: ends what is open and all who wait. */
  close(why: string): void {
    if (this.#closedWhy !== undefined) return;
    this.#closedWhy = why;
    clearInterval(this.#sweeper);
    for (const waiter of this.#waiters) waiter.reject(this.#closedError());
    this.#waiters.clear();
    for (const connection of [...this.#open]) connection.fail(why, false);
  }

  /** A fresh one may take the place of an idle one. */
  #makeRoom(fresh: boolean): boolean {
    const { connectionsMax } = this.#limits;
    if (this.#open.size + this.#connecting < connectionsMax) return true;
    if (!fresh) return false;
    this.#idle.shift()?.destroy();
    return this.#open.size + this.#connecting < connectionsMax;
  }

  async #openOne(): Promise<RunnerConnection> {
    this.#connecting += 1;
    try {
      const opened = await this.#connectPatiently();
      if (this.#closedWhy !== undefined) {
        opened.socket.destroy();
        throw this.#closedError();
      }
      const connection = new RunnerConnection(opened, (closed) => this.#forget(closed));
      this.#open.add(connection);
      return connection;
    } catch (error) {
      throw error instanceof CallError ? error : this.#connectError(error);
    } finally {
      this.#connecting -= 1;
      this.#serveWaiters();
    }
  }

  async #connectPatiently() {
    const deadlineMs = performance.now() + this.#limits.connectTimeoutMs;
    for (;;) {
      try {
        return await openRunnerSocket(this.#path, this.#limits.connectTimeoutMs);
      } catch (error) {
        const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
        if (code !== 'EAGAIN' || performance.now() > deadlineMs) throw error;
        await sleep(BACKLOG_FULL_WAIT_MS);
      }
    }
  }

  #forget(connection: RunnerConnection): void {
    this.#open.delete(connection);
    const place = this.#idle.indexOf(connection);
    if (place !== -1) this.#idle.splice(place, 1);
    this.#serveWaiters();
  }

  #serveWaiters(): void {
    while (this.#closedWhy === undefined && this.#waiters.size > 0) {
      const [waiter] = this.#waiters;
      if (waiter === undefined || !this.#makeRoom(waiter.fresh)) return;
      this.#waiters.delete(waiter);
      waiter.resolve(this.#openOne());
    }
  }

  #sweep(): void {
    const oldestMs = performance.now() - this.#limits.connectionIdleMs;
    while ((this.#idle[0]?.idleSinceMs ?? Infinity) < oldestMs) this.#idle[0]?.destroy();
  }

  #connectError(error: unknown): CallError {
    const why = error instanceof Error ? error.message : String(error);
    return new CallError(
      FailureReason.UNAVAILABLE,
      `failed to connect to the unix socket unix:${this.#path}: ${why}`,
      { cause: error },
    );
  }

  #closedError(): CallError {
    return this.#connectError(new Error(this.#closedWhy));
  }
}

function settled(connection: Promise<RunnerConnection>): Acquisition {
  return { connection, abandon: () => undefined };
}

function overloaded(waiting: number): CallError {
  return new CallError(
    FailureReason.OVERLOADED,
    `${waiting} calls are waiting for a connection to the runner`,
  );
}
