import type { RunnerUnderTest } from './runner-under-test.ts';

export interface Verdict {
  readonly isKept: boolean;
  /** What the runner did, in words. */
  readonly seen: string;
}

export interface Rule {
  /** `<subject>.<rule>`: stays, so that a result can be compared with an earlier one. */
  readonly id: string;
  /** A broken `must` loses or lets through requests; a broken `should` costs time or comfort. */
  readonly level: 'must' | 'should';
  readonly sentence: string;
  /** `plugin`: the check plugin in the runner; `process`: that we have started it. */
  readonly needs: readonly ('plugin' | 'process')[];
  /** What it throws counts as broken. */
  check(runner: RunnerUnderTest): Promise<Verdict>;
}

export function verdict(isKept: boolean, seen: string): Verdict {
  return { isKept, seen };
}
