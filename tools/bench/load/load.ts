import type { Children } from '../children.ts';
import type { Entry } from '../scenarios.ts';
import { runH2load } from './h2load.ts';
import { runWrk } from './wrk.ts';

export interface Load {
  readonly entry: Entry;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A Lua file that chooses the requests; without one it is `url` again and again. */
  readonly script?: string;
  /** For what the load generator has to write. */
  readonly folder: string;
}

export interface LoadResult {
  /** Answers that came in. */
  readonly requests: number;
  readonly durationMs: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Connect, read and write errors, and answers that took over 10 s. */
  readonly socketErrors: number;
  /** Answers with a status of 400 and above. */
  readonly refused: number;
}

/** Rejects when the load generator fails or does not come to an end. */
export function runLoad(
  children: Children,
  load: Load,
  options: { seconds: number; cpus: string | undefined },
): Promise<LoadResult> {
  return load.entry === 'h2c'
    ? runH2load(children, load, options)
    : runWrk(children, load, options);
}
