const PLACES_PER_BUCKET = 16;
/** Two hashes, requests in flight, turns taken; then two float64: average, time of the last touch. */
const PLACE_BYTES = 32;
const HEADER_BYTES = 16;
const LOCK = 2;
/** A worker that dies inside the lock (it is held for microseconds) must not stop the rest. */
const LOCK_WAIT_MAX_MS = 50;

/** Memory for what is known of about `places` nodes, to be handed to `workers` threads. */
export function allocateLoads(places: number, workers: number): SharedArrayBuffer {
  const count = 2 ** Math.ceil(Math.log2(Math.max(places, PLACES_PER_BUCKET)));
  // each worker's own part of what is counted, to be taken back when it crashes
  const perWorker = count * 2 * 4;
  const memory = new SharedArrayBuffer(HEADER_BYTES + count * PLACE_BYTES + workers * perWorker);
  const words = new Int32Array(memory);
  crypto.getRandomValues(new Uint32Array(2)).forEach((seed, i) => void (words[i] = seed));
  words[3] = count;
  return memory;
}

/**
 * Requests in flight and response times of nodes, by name, in memory that worker threads share: a hash
 * table of buckets, whose places are claimed under one lock and then read and counted without any. In
 * a bucket full of claimed places a name shares the place of another one.
 */
export class NodeLoads {
  /** Requests in flight, at the index that is called a place. To be read only. */
  readonly inFlight: Int32Array;
  readonly #floats: Float64Array;
  readonly #count: number;
  readonly #workerId: number;
  readonly #workers: number;

  constructor(memory: SharedArrayBuffer, workerId: number) {
    this.inFlight = new Int32Array(memory);
    this.#floats = new Float64Array(memory);
    this.#count = this.inFlight[3] as number;
    this.#workerId = workerId;
    const rest = memory.byteLength - HEADER_BYTES - this.#count * PLACE_BYTES;
    this.#workers = rest / (this.#count * 2 * 4);
  }

  /** A place for the name; the same one for the same name in all threads. */
  claim(name: string): number {
    const first = hash(name, this.inFlight[0] as number) | 1;
    const second = hash(name, this.inFlight[1] as number);
    this.#lock();
    try {
      const index = this.#find(first, second);
      Atomics.add(this.inFlight, this.#claimsAt(index, this.#workerId), 1);
      return placeOf(index);
    } finally {
      Atomics.store(this.inFlight, LOCK, 0);
    }
  }

  /** The claim is no longer needed. What is known stays until another name needs the place. */
  unclaim(place: number): void {
    Atomics.sub(this.inFlight, this.#claimsAt(indexOf(place), this.#workerId), 1);
  }

  addInFlight(place: number, change: 1 | -1): void {
    Atomics.add(this.inFlight, place, change);
    const own = this.#claimsAt(indexOf(place), this.#workerId) + 1;
    // nobody else writes here while this thread lives
    this.inFlight[own] = (this.inFlight[own] as number) + change;
  }

  /** 0, 1, 2 and so on, over all threads; after 2^32 from 0 again. */
  takeTurn(place: number): number {
    return Atomics.add(this.inFlight, place + 1, 1) >>> 0;
  }

  /** What `takeTurn` would give. */
  nextTurn(place: number): number {
    return Atomics.load(this.inFlight, place + 1) >>> 0;
  }

  /** Moving average in seconds as it was at `touchedS`. */
  average(place: number): number {
    return this.#floats[place / 2 + 1] as number;
  }

  /** Seconds since 1970; 0: never. */
  touchedS(place: number): number {
    return this.#floats[place / 2 + 2] as number;
  }

  setAverage(place: number, average: number, touchedS: number): void {
    this.#floats[place / 2 + 1] = average;
    this.#floats[place / 2 + 2] = touchedS;
  }

  /** Takes back what a worker that has ended left behind. */
  forgetWorker(workerId: number): void {
    for (let index = 0; index < this.#count; index++) {
      const at = this.#claimsAt(index, workerId);
      Atomics.store(this.inFlight, at, 0);
      const left = Atomics.exchange(this.inFlight, at + 1, 0);
      if (left !== 0) Atomics.sub(this.inFlight, placeOf(index), left);
    }
  }

  /** The name's index, one of its bucket that nobody claims, or one to be shared. */
  #find(first: number, second: number): number {
    const words = this.inFlight;
    const bucket = first & (this.#count - 1) & -PLACES_PER_BUCKET;
    let free = -1;
    for (let index = bucket; index < bucket + PLACES_PER_BUCKET; index++) {
      const word = placeOf(index) - 2;
      if (words[word] === first && words[word + 1] === second) return index;
      if (free === -1 && this.#isUnclaimed(index)) free = index;
    }
    if (free === -1) return bucket + ((second >>> 0) % PLACES_PER_BUCKET);
    const place = placeOf(free);
    words[place - 2] = first;
    words[place - 1] = second;
    words[place + 1] = 0;
    this.setAverage(place, 0, 0);
    return free;
  }

  #isUnclaimed(index: number): boolean {
    if (this.inFlight[placeOf(index)] !== 0) return false;
    for (let worker = 0; worker < this.#workers; worker++) {
      if (Atomics.load(this.inFlight, this.#claimsAt(index, worker)) !== 0) return false;
    }
    return true;
  }

  /** Of the worker's claims; its requests in flight follow. */
  #claimsAt(index: number, workerId: number): number {
    const begin = (HEADER_BYTES + this.#count * PLACE_BYTES) / 4;
    return begin + (workerId * this.#count + index) * 2;
  }

  #lock(): void {
    let startedMs = 0;
    while (Atomics.compareExchange(this.inFlight, LOCK, 0, 1) !== 0) {
      const now = performance.now();
      if (startedMs === 0) startedMs = now;
      else if (now - startedMs > LOCK_WAIT_MAX_MS) return;
    }
  }
}

/** Of the requests in flight; an even number. */
function placeOf(index: number): number {
  return (HEADER_BYTES + index * PLACE_BYTES) / 4 + 2;
}

function indexOf(place: number): number {
  return ((place - 2) * 4 - HEADER_BYTES) / PLACE_BYTES;
}

/** FNV-1a over UTF-16 code units, with a finishing mix. */
function hash(key: string, seed: number): number {
  let h = seed ^ 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  return (h ^ (h >>> 13)) | 0;
}
