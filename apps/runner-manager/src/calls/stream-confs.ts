import type { ConfReference } from '@polygate/rpc';
import type { HeldConfs } from '../connection/held-confs.ts';
import type { Traffic } from './pool-traffic.ts';

/** The confs that one stream holds. A conf is held once, however often the stream says so. */
export class StreamConfs {
  readonly #traffic: Traffic;
  readonly #held = new Map<HeldConfs, Set<string>>();

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  /** For a pool that there is not nothing is held: its calls will say so. */
  hold(runner: string, conf: ConfReference): void {
    const confs = this.#traffic.get(runner)?.confs;
    if (confs === undefined) return;
    const keys = this.#held.get(confs) ?? new Set();
    this.#held.set(confs, keys);
    if (!keys.has(conf.key) && confs.hold(conf)) keys.add(conf.key);
  }

  release(runner: string, key: string): void {
    const confs = this.#traffic.get(runner)?.confs;
    if (confs !== undefined && this.#held.get(confs)?.delete(key) === true) confs.release(key);
  }

  releaseAll(): void {
    for (const [confs, keys] of this.#held) for (const key of keys) confs.release(key);
    this.#held.clear();
  }
}
