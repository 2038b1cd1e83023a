/** What a path may find, and where it may go on from: bodies are the client's. */
const RESULTS_MAX = 1000;
const VISITS_MAX = 100_000;

type Step =
  | { readonly kind: 'member'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  /** Everything below, itself included. */
  | { readonly kind: 'below' };

/** Finds values in parsed JSON. Undefined: the path holds what is not understood here. */
export type JsonPath = (value: unknown) => readonly unknown[];

/**
 * `a.b`, `a[0]`, `a['b']`, `a[*]`, `a.*`, `a..b`; no filters, slices or scripts. At most 1,000 values.
 * Undefined where the path is none of these.
 */
export function compileJsonPath(path: string): JsonPath | undefined {
  const steps = stepsOf(path);
  if (steps === undefined) return undefined;
  return (value) => {
    let visits = 0;
    let found: unknown[] = [value];
    for (const step of steps) {
      const next: unknown[] = [];
      for (const one of found) {
        for (const inner of take(one, step)) {
          visits++;
          if (next.length < RESULTS_MAX && visits < VISITS_MAX) next.push(inner);
        }
      }
      found = next;
    }
    return found;
  };
}

function stepsOf(path: string): Step[] | undefined {
  const steps: Step[] = [];
  const token =
    /(\.\.)|\.?(\*)|\[\*\]|\[(-?\d{1,9})\]|\['([^']*)'\]|\["([^"]*)"\]|\.?([^.[\]*'"]+)/y;
  let at = 0;
  while (at < path.length) {
    token.lastIndex = at;
    const match = token.exec(path);
    if (match === null) return undefined;
    const [text, below, , index, single, double, bare] = match;
    const name = single ?? double ?? bare;
    if (below !== undefined) steps.push({ kind: 'below' });
    else if (index !== undefined) steps.push({ kind: 'index', index: Number(index) });
    else if (name !== undefined) steps.push({ kind: 'member', name });
    else steps.push({ kind: 'all' });
    at += text.length;
  }
  return steps.length === 0 ? undefined : steps;
}

function take(value: unknown, step: Step): Iterable<unknown> {
  if (typeof value !== 'object' || value === null) return [];
  switch (step.kind) {
    case 'member':
      return Object.hasOwn(value, step.name) ? [(value as Record<string, unknown>)[step.name]] : [];
    case 'index': {
      const item: unknown = Array.isArray(value) ? value.at(step.index) : undefined;
      return item === undefined ? [] : [item];
    }
    case 'all':
      return Object.values(value) as unknown[];
    case 'below':
      return allBelow(value);
  }
}

/** Without recursion: a body may nest as deep as its length allows. */
function* allBelow(root: object): Generator<unknown> {
  const waiting: unknown[] = [root];
  for (let visits = 0; waiting.length > 0 && visits < VISITS_MAX; visits++) {
    const value = waiting.pop();
    if (typeof value !== 'object' || value === null) continue;
    yield value;
    waiting.push(...(Object.values(value) as unknown[]).slice(0, VISITS_MAX).reverse());
  }
}
