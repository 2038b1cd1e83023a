import { FailureReason } from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { RunnerInstance, RunnerPool } from '../pool/runner-pool.ts';

/** A call that wants an instance. Told once: one of the two, unless it leaves. */
export interface WaitingCall {
  /** Instances that it had no luck with. */
  readonly tried: ReadonlySet<RunnerInstance> | undefined;
  admit(instance: RunnerInstance): void;
  refuse(error: CallError): void;
}

export interface CallQueueLimits {
  readonly waitingCallsMax: number;
  /** Of one instance, whatever the pool itself allows: a call takes a connection. */
  readonly connectionsMax: number;
}

/**
 * Calls that wait until an instance of the pool has room. Bounded, and fair between those who call
 * (streams of data planes): each gets its turn, however many another has waiting, and none can fill
 * the queue for the others.
 */
export class CallQueue {
  readonly #pool: RunnerPool;
  readonly #limits: CallQueueLimits;
  /** By owner, whose turn it is first. */
  readonly #waiting = new Map<object, Set<WaitingCall>>();
  readonly #unwatch: () => void;
  #size = 0;
  #awaitsReady = false;

  constructor(pool: RunnerPool, limits: CallQueueLimits) {
    this.#pool = pool;
    this.#limits = limits;
    this.#unwatch = pool.watchReady(() => this.advance());
  }

  get size(): number {
    return this.#size;
  }

  /** Admits the call at once where nobody waits and an instance has room. */
  enter(owner: object, call: WaitingCall): void {
    const instance = this.#size === 0 ? this.#pick(call) : undefined;
    if (instance !== undefined) return call.admit(instance);
    if (this.#size >= this.#limits.waitingCallsMax && !this.#makeRoomFor(owner)) {
      return call.refuse(this.#overloaded());
    }
    const calls = this.#waiting.get(owner);
    if (calls === undefined) this.#waiting.set(owner, new Set([call]));
    else calls.add(call);
    this.#size += 1;
    if (!this.#pool.ready) this.#awaitReady();
  }

  /** Nobody wants its answer any more. Does nothing for a call that does not wait. */
  leave(owner: object, call: WaitingCall): void {
    const calls = this.#waiting.get(owner);
    if (calls?.delete(call) !== true) return;
    this.#size -= 1;
    if (calls.size === 0) this.#waiting.delete(owner);
  }

  /** A call has ended, or an instance got ready: the next ones get their turn. */
  advance(): void {
    while (this.#size > 0) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const [owner, calls] = next;
      const [call] = calls;
      const instance = call && this.#pick(call);
      if (instance === undefined) {
        if (!this.#pool.ready) this.#awaitReady();
        return;
      }
      this.leave(owner, call as WaitingCall);
      // Behind the others, who have waited for their turn meanwhile.
      if (calls.size > 0) {
        this.#waiting.delete(owner);
        this.#waiting.set(owner, calls);
      }
      call?.admit(instance);
    }
  }

  close(): void {
    this.#unwatch();
  }

  #pick({ tried }: WaitingCall): RunnerInstance | undefined {
    const instance = this.#pool.pick(tried);
    if (instance === undefined) return undefined;
    return instance.callsInFlight < this.#limits.connectionsMax ? instance : undefined;
  }

  #awaitReady(): void {
    if (this.#awaitsReady) return;
    this.#awaitsReady = true;
    this.#pool.whenReady().then(
      () => {
        this.#awaitsReady = false;
        this.advance();
      },
      (error: unknown) => {
        this.#awaitsReady = false;
        if (!this.#pool.ready) this.#refuseAll(CallError.from(error));
      },
    );
  }

  #refuseAll(error: CallError): void {
    const all = [...this.#waiting.values()].flatMap((calls) => [...calls]);
    this.#waiting.clear();
    this.#size = 0;
    for (const call of all) call.refuse(error);
  }

  /** Who has most waiting gives way to who has less. */
  #makeRoomFor(owner: object): boolean {
    let longest: Set<WaitingCall> | undefined;
    let longestOwner: object | undefined;
    for (const [other, calls] of this.#waiting) {
      if (calls.size <= (longest?.size ?? 0)) continue;
      longest = calls;
      longestOwner = other;
    }
    const own = this.#waiting.get(owner)?.size ?? 0;
    if (longest === undefined || longestOwner === undefined || own + 1 >= longest.size) {
      return false;
    }
    const last = [...longest].at(-1);
    if (last === undefined) return false;
    this.leave(longestOwner, last);
    last.refuse(this.#overloaded());
    return true;
  }

  #overloaded(): CallError {
    const message = `${this.#size} calls are waiting for runner ${this.#pool.name}`;
    return new CallError(FailureReason.OVERLOADED, message);
  }
}
