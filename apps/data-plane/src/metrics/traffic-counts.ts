import type { ConnectionCounts } from '@polygate/plugin-sdk';

const FIELDS = { accepted: 0, active: 1, requests: 2, underWay: 3 } as const;
const FIELDS_PER_WORKER = Object.keys(FIELDS).length;

/** Memory for the counts of so many workers, to be handed to each of them. */
export function allocateTrafficCounts(workers: number): SharedArrayBuffer {
  const bytes = Float64Array.BYTES_PER_ELEMENT * FIELDS_PER_WORKER * workers;
  return new SharedArrayBuffer(bytes);
}

/**
 * What the connections of one worker are about, where all workers can see it. A worker writes to its own
 * fields alone: no lock, and adding is as cheap as to a number of its own.
 */
export class TrafficCounts {
  readonly #numbers: Float64Array;
  readonly #offset: number;

  /** `worker`: from 0. What a former thread had open is closed; what it counted stays. */
  constructor(memory: SharedArrayBuffer, worker: number) {
    this.#numbers = new Float64Array(memory);
    this.#offset = worker * FIELDS_PER_WORKER;
    this.#numbers[this.#offset + FIELDS.active] = 0;
    this.#numbers[this.#offset + FIELDS.underWay] = 0;
  }

  static alone(): TrafficCounts {
    return new TrafficCounts(allocateTrafficCounts(1), 0);
  }

  add(field: keyof typeof FIELDS, by: number): void {
    const index = this.#offset + FIELDS[field];
    this.#numbers[index] = (this.#numbers[index] as number) + by;
  }

  own(): ConnectionCounts {
    return this.#read((field) => this.#numbers[this.#offset + field] as number);
  }

  sum(): ConnectionCounts {
    return this.#read((field) => {
      let sum = 0;
      for (let i = field; i < this.#numbers.length; i += FIELDS_PER_WORKER) {
        sum += this.#numbers[i] as number;
      }
      return sum;
    });
  }

  #read(valueOf: (field: number) => number): ConnectionCounts {
    const active = valueOf(FIELDS.active);
    const underWay = valueOf(FIELDS.underWay);
    const accepted = valueOf(FIELDS.accepted);
    return {
      accepted,
      active,
      handled: accepted,
      // a head that is not complete is nobody's request yet
      reading: 0,
      total: valueOf(FIELDS.requests),
      waiting: Math.max(0, active - underWay),
      writing: underWay,
    };
  }
}
