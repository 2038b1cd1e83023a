import { setTimeout as sleep } from 'node:timers/promises';
import { FailureReason, type ConfReference } from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { RunnerInstance } from '../pool/runner-pool.ts';
import { prepareConf } from './prepare-conf.ts';

export interface Trial {
  readonly instance: RunnerInstance;
  readonly conf: ConfReference;
  /** Until the runner's answer is there. */
  readonly timeoutMs: number;
}

interface Suspicion {
  /** Instances that were lost while they had it. */
  readonly losses: number;
  readonly retryAtMs: number;
  readonly why: string;
}

/** A runner that is slow with a conf must not keep the others from it for long. */
const TRIAL_WAIT_MS_MAX = 5000;
/** After so many losses: until then nobody gets it. Calls wait for the first, for it may be chance. */
const RETRY_AFTER_MS = [1000, 10_000, 60_000, 600_000];
const CONFS_MAX = 20_000;

/**
 * Keeps a conf that ends the runner from ending all instances of it. As long as no instance has
 * answered it, one at a time gets it; where that is lost over it, the next has to wait, each time
 * longer, and while it has one that others were lost over, no other such conf is tried: what was lost
 * beside it, by chance, is cleared by the first answer.
 */
export class ConfTrials {
  /** Answered once: what an instance rejects does not end it. */
  readonly #answered = new Set<string>();
  readonly #suspects = new Map<string, Suspicion>();
  /** By key; settle, never reject. */
  readonly #running = new Map<string, Promise<unknown>>();
  #suspectTurn: Promise<unknown> = Promise.resolve();

  /** Whether an instance was lost over it, and none has answered it since. */
  isSuspect(key: string): boolean {
    return this.#suspects.has(key);
  }

  /**
   * Hands the conf to the instance, and resolves to its token.
   *
   * @throws {CallError} as `prepareConf`; PROTOCOL, at once, for one that instances were lost over.
   */
  async prepare(trial: Trial): Promise<number> {
    const { key } = trial.conf;
    let endMs = Infinity;
    while (!this.#answered.has(key)) {
      const running = this.#running.get(key);
      if (running === undefined) return this.#try(trial);
      const isSuspect = this.#suspects.has(key);
      endMs = Math.min(endMs, performance.now() + TRIAL_WAIT_MS_MAX);
      if (isSuspect) await running;
      else if (await isLate(running, endMs)) break;
    }
    return handOver(trial);
  }

  /** Nobody has it in its configuration any more. */
  forget(key: string): void {
    this.#answered.delete(key);
    this.#suspects.delete(key);
  }

  #try(trial: Trial): Promise<number> {
    const { key } = trial.conf;
    const suspicion = this.#suspects.get(key);
    const trying = suspicion === undefined ? this.#hand(trial) : this.#handLater(trial, suspicion);
    const settled = trying
      .catch(() => undefined)
      .then(() => {
        if (this.#running.get(key) === settled) this.#running.delete(key);
      });
    this.#running.set(key, settled);
    return trying;
  }

  async #handLater(trial: Trial, { losses, retryAtMs, why }: Suspicion): Promise<number> {
    const waitMs = retryAtMs - performance.now();
    if (waitMs > 0 && losses > 1) {
      const seconds = Math.ceil(waitMs / 1000);
      const message = `${losses} instances were lost over this conf, the next try is in ${seconds} s`;
      throw new CallError(FailureReason.PROTOCOL, `${message}: ${why}`);
    }
    if (waitMs > 0) await sleep(waitMs, undefined, { ref: false });
    const handed = this.#suspectTurn.then(() => this.#hand(trial));
    this.#suspectTurn = handed.catch(() => undefined);
    return handed;
  }

  async #hand(trial: Trial): Promise<number> {
    const { conf, instance } = trial;
    try {
      const confToken = await handOver(trial);
      this.#clear(conf.key);
      return confToken;
    } catch (error) {
      const { reason, message } = CallError.from(error);
      if (reason === FailureReason.RUNNER_ERROR) this.#clear(conf.key);
      // Who listens at an address is nobody that we start, and had its reasons to hang up.
      const isLoss = reason === FailureReason.PROTOCOL && instance.generation > 0;
      if (isLoss) this.#suspect(conf.key, message);
      throw error;
    }
  }

  #clear(key: string): void {
    this.#suspects.delete(key);
    this.#answered.add(key);
    dropOldest(this.#answered);
  }

  #suspect(key: string, why: string): void {
    const losses = (this.#suspects.get(key)?.losses ?? 0) + 1;
    const waitMs = RETRY_AFTER_MS[Math.min(losses, RETRY_AFTER_MS.length) - 1] as number;
    this.#suspects.delete(key);
    this.#suspects.set(key, { losses, retryAtMs: performance.now() + waitMs, why });
    dropOldest(this.#suspects);
  }
}

function handOver({ instance, conf, timeoutMs }: Trial): Promise<number> {
  const { connections } = instance;
  return prepareConf({ connections, key: conf.key, plugins: conf.plugins, timeoutMs });
}

async function isLate(running: Promise<unknown>, endMs: number): Promise<boolean> {
  const stop = new AbortController();
  const { signal } = stop;
  const late = sleep(endMs - performance.now(), true, { signal }).catch(() => false);
  const isLateNow = await Promise.race([running.then(() => false), late]);
  stop.abort();
  return isLateNow;
}

function dropOldest(held: Set<string> | Map<string, unknown>): void {
  if (held.size <= CONFS_MAX) return;
  const [oldest] = held.keys();
  if (oldest !== undefined) held.delete(oldest);
}
