interface Part<T> {
  readonly value: T;
  readonly weight: number;
  current: number;
}

/** Gives values in turn, each as often as its weight says; undefined when no weight is over 0. */
export type WeightedChoice<T> = () => T | undefined;

/**
 * nginx's smooth weighted round robin: the parts of a heavy value are spread out. Begins anywhere in
 * its round, so that many threads, or confs that are prepared anew, do not all begin with the same.
 */
export function weightedChoice<T>(
  weighted: readonly { readonly value: T; readonly weight: number }[],
): WeightedChoice<T> {
  const choose = fromTheBeginning(weighted);
  const parts = weighted.filter(({ weight }) => weight > 0).length;
  for (let skipped = Math.floor(Math.random() * parts); skipped > 0; skipped--) choose();
  return choose;
}

function fromTheBeginning<T>(
  weighted: readonly { readonly value: T; readonly weight: number }[],
): WeightedChoice<T> {
  const parts: Part<T>[] = weighted
    .filter(({ weight }) => weight > 0)
    .map(({ value, weight }) => ({ value, weight, current: 0 }));
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  return () => {
    let best: Part<T> | undefined;
    for (const part of parts) {
      part.current += part.weight;
      if (best === undefined || part.current > best.current) best = part;
    }
    if (best === undefined) return undefined;
    best.current -= total;
    return best.value;
  };
}

/** A round of more turns than this is not laid out. */
const TURNS_MAX = 1000;

/**
 * As weightedChoice, but by turns that others count as well, as the threads of a process: together they
 * keep to the weights. `nextTurn` counts from 1. Very unlike weights are left to each on its own.
 */
export function countedChoice<T>(
  weighted: readonly { readonly value: T; readonly weight: number }[],
  nextTurn: () => number,
): WeightedChoice<T> {
  const divisor = weighted.reduce((common, { weight }) => commonDivisor(common, weight), 0);
  const turns = weighted.reduce((sum, { weight }) => sum + weight, 0) / Math.max(divisor, 1);
  if (turns <= 1 || turns > TURNS_MAX) return weightedChoice(weighted);
  const round = Array.from({ length: turns }, fromTheBeginning(weighted));
  return () => round[(nextTurn() - 1) % turns];
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
