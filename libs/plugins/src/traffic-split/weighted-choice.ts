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
  const parts: Part<T>[] = weighted
    .filter(({ weight }) => weight > 0)
    .map(({ value, weight }) => ({ value, weight, current: 0 }));
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const choose = (): T | undefined => {
    let best: Part<T> | undefined;
    for (const part of parts) {
      part.current += part.weight;
      if (best === undefined || part.current > best.current) best = part;
    }
    if (best === undefined) return undefined;
    best.current -= total;
    return best.value;
  };
  if (parts.length > 1) {
    for (let skipped = Math.floor(Math.random() * parts.length); skipped > 0; skipped--) choose();
  }
  return choose;
}
