import { setTimeout as sleep } from 'node:timers/promises';
import type { PoolInstance } from './pool-instance.ts';
import { RunnerSlot, type SlotOptions } from './runner-slot.ts';

export type GenerationOptions = Omit<SlotOptions, 'index' | 'generation'> & {
  readonly number: number;
};

const DRAIN_POLL_MS = 20;

/** The processes that were started together, from one configuration. */
export class Generation {
  readonly number: number;
  readonly slots: readonly RunnerSlot[];

  constructor({ number, ...options }: GenerationOptions) {
    this.number = number;
    this.slots = Array.from(
      { length: options.config.instances },
      (_, index) => new RunnerSlot({ ...options, index, generation: number }),
    );
  }

  start(): void {
    for (const slot of this.slots) slot.start();
  }

  /** Rejects with what kept one of them from getting ready. */
  async whenAllReady(): Promise<void> {
    await Promise.all(this.slots.map(({ firstReady }) => firstReady));
  }

  readyInstances(): PoolInstance[] {
    return this.slots.flatMap(({ readyInstance }) => readyInstance ?? []);
  }

  /** Takes no more calls; ends when those under way have, or after `msMax`. */
  async retire(msMax: number): Promise<void> {
    for (const slot of this.slots) slot.retire();
    const deadlineMs = performance.now() + msMax;
    const busy = (): boolean => this.slots.some(({ callsInFlight }) => callsInFlight > 0);
    while (busy() && performance.now() < deadlineMs) await sleep(DRAIN_POLL_MS);
    await this.stop();
  }

  async stop(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.stop()));
  }
}
