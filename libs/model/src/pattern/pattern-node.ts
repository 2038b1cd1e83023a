import type { CharSet } from './char-set.ts';

/** A parsed pattern. Flags (`i`, `s`, `m`) are already worked into the nodes. */
export type PatternNode =
  | { readonly kind: 'chars'; readonly set: CharSet }
  | { readonly kind: 'edge'; readonly at: 'start' | 'end'; readonly multiline: boolean }
  | { readonly kind: 'word-edge'; readonly negated: boolean }
  | { readonly kind: 'group'; readonly index: number; readonly body: PatternNode }
  | {
      readonly kind: 'look';
      readonly behind: boolean;
      readonly negated: boolean;
      readonly body: PatternNode;
    }
  | { readonly kind: 'backref'; readonly index: number }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'either'; readonly options: readonly PatternNode[] }
  | {
      readonly kind: 'repeat';
      readonly min: number;
      /** Infinity when there is no upper bound. */
      readonly max: number;
      readonly lazy: boolean;
      readonly body: PatternNode;
    };

export interface ParsedPattern {
  readonly root: PatternNode;
  readonly groupCount: number;
  /** Name → number of the group. */
  readonly names: ReadonlyMap<string, number>;
}
