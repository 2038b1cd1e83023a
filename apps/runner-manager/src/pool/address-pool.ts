import { setTimeout as sleep } from 'node:timers/promises';
import type { RunnerConfig, RunnerSocket } from '@polygate/chassis';
import { FailureReason, RpcError, RunnerState } from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { ManagedPool, PoolOptions } from './managed-pool.ts';
import { PoolInstance } from './pool-instance.ts';
import type { RunnerInstance, RunnerPoolStatus } from './runner-pool.ts';

/** A runner that somebody else starts. */
export type AddressConfig = RunnerConfig & { readonly source: RunnerSocket };

const PROBE_MS_MIN = 100;
const PROBE_MS_MAX = 5000;
const DRAIN_POLL_MS = 20;

/**
 * A runner that listens at an address (`address`, `ext-plugin.path_for_test`). It may come and go
 * as it likes: calls are tried whatever the state, because a call tells more than an old state.
 */
export class AddressPool implements ManagedPool {
  readonly name: string;
  readonly requiresReplyId: boolean;
  readonly config: AddressConfig;
  readonly #options: PoolOptions<AddressConfig>;
  readonly #instance: PoolInstance;
  readonly #readyListeners = new Set<() => void>();
  readonly #quit = new AbortController();
  #state: RunnerState = RunnerState.STARTING;
  #probing = false;
  #readySinceMs = 0;
  #lastError = '';

  constructor(options: PoolOptions<AddressConfig>) {
    const { config, limits } = options;
    const { socketPath, requiresReplyId } = config.source;
    this.name = config.name;
    this.config = config;
    this.requiresReplyId = requiresReplyId;
    this.#options = options;
    this.#instance = new PoolInstance({ index: 0, generation: 0, socketPath }, limits);
    // A runner of a test counts its connections: it gets none but those of calls.
    if (requiresReplyId) void this.#probe();
    else void this.#greet();
  }

  get plugins(): readonly string[] {
    return this.config.plugins;
  }

  get callTimeoutMs(): number {
    return this.config.callTimeoutMs ?? this.#options.limits.callTimeoutMs;
  }

  get inFlightMax(): number {
    return this.config.inFlightMax ?? Infinity;
  }

  get ready(): boolean {
    return this.#state !== RunnerState.STOPPED;
  }

  pick(): RunnerInstance | undefined {
    const isFull = this.#instance.callsInFlight >= this.inFlightMax;
    return this.ready && !isFull ? this.#instance : undefined;
  }

  whenReady(): Promise<RunnerInstance> {
    if (this.ready) return Promise.resolve(this.#instance);
    return Promise.reject(new CallError(FailureReason.UNAVAILABLE, 'the runner is stopped'));
  }

  watchReady(onReady: () => void): () => void {
    const listener = (): void => onReady();
    this.#readyListeners.add(listener);
    return () => void this.#readyListeners.delete(listener);
  }

  /** Whoever listens there next does not know the tokens of the one before. */
  noteUnreachable(instance: RunnerInstance, why: string): void {
    this.#lastError = why;
    instance.tokens.clear();
    if (this.requiresReplyId) void this.#probe();
  }

  restart(): Promise<number> {
    const message = `runner ${this.name} is not a process of ours`;
    return Promise.reject(new RpcError('FAILED_PRECONDITION', message));
  }

  watchLog(): () => void {
    return () => undefined;
  }

  lastLines(): readonly never[] {
    return [];
  }

  status(): RunnerPoolStatus {
    const { callsInFlight, calls, generation, index } = this.#instance;
    return {
      name: this.name,
      state: this.#state,
      generation,
      plugins: [...this.plugins],
      instances: [
        {
          index,
          generation,
          state: this.#state,
          pid: 0,
          restarts: 0,
          lastError: this.#lastError,
          callsInFlight,
          readySinceMs: this.#readySinceMs,
          calls,
        },
      ],
      recentRestarts: [],
    };
  }

  async retire(): Promise<void> {
    this.#state = RunnerState.STOPPED;
    const deadlineMs = performance.now() + this.#options.limits.drainMsMax;
    while (this.#instance.callsInFlight > 0 && performance.now() < deadlineMs) {
      await sleep(DRAIN_POLL_MS);
    }
    await this.stop();
  }

  stop(): Promise<void> {
    this.#state = RunnerState.STOPPED;
    this.#quit.abort();
    this.#instance.end();
    return Promise.resolve();
  }

  async #probe(): Promise<void> {
    if (this.#probing || !this.ready) return;
    this.#probing = true;
    this.#state = RunnerState.STARTING;
    this.#readySinceMs = 0;
    const { signal } = this.#quit;
    for (let waitMs = PROBE_MS_MIN; !signal.aborted; waitMs = Math.min(waitMs * 2, PROBE_MS_MAX)) {
      try {
        await this.#instance.connections.probe();
        if (!signal.aborted) await this.#greet();
        break;
      } catch (error) {
        const { socketPath } = this.#instance;
        const why = (error as Error).message;
        this.#lastError = `failed to connect to the unix socket unix:${socketPath}: ${why}`;
        await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
    this.#probing = false;
  }

  /** Gives it what it has to know, and counts it as ready. */
  async #greet(): Promise<void> {
    const { warmUp, log } = this.#options;
    try {
      await warmUp(this.#instance, this.#quit.signal);
    } catch (error) {
      // Calls prepare what they need themselves.
      log.warn(`runner ${this.name} did not take all confs: ${(error as Error).message}`);
    }
    if (!this.ready) return;
    this.#state = RunnerState.READY;
    this.#lastError = '';
    this.#readySinceMs = Date.now();
    for (const onReady of this.#readyListeners) onReady();
  }
}
