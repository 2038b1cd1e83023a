/** What a path may find, and look at: documents may be a client's. */
const NODES_MAX = 10_000;
const VISITS_MAX = 200_000;

type Key = string | number;

type Step =
  | { readonly kind: 'keys'; readonly keys: readonly Key[] }
  | { readonly kind: 'slice'; readonly from: number; readonly to: number; readonly by: number }
  | { readonly kind: 'all' }
  /** Everything below, itself included. */
  | { readonly kind: 'below' };

/** A value in a document, and what holds it; undefined for the document itself. */
export interface JsonNode {
  readonly value: unknown;
  readonly holder: object | undefined;
  readonly key: Key;
}

/** In the order of the document. */
export type JsonPath = (document: unknown) => readonly JsonNode[];

/**
 * `$.a.b`, `a`, `$['a','b']`, `$.a[0,1]`, `$.a[-1]`, `$.a[1:3]`, `$.a[*]`, `$.*`, `$..b`; no filters and
 * no scripts. Undefined for what is none of these.
 */
export function compileJsonPath(path: string): JsonPath | undefined {
  const steps = stepsOf(path);
  if (steps === undefined) return undefined;
  return (document) => {
    let found: JsonNode[] = [{ value: document, holder: undefined, key: '' }];
    let visits = 0;
    for (const step of steps) {
      const next: JsonNode[] = [];
      for (const node of found) {
        for (const inner of take(node, step)) {
          visits += 1;
          if (next.length < NODES_MAX && visits < VISITS_MAX) next.push(inner);
        }
      }
      found = next;
    }
    return found;
  };
}

const NAME = /[A-Za-z_\u0080-\uffff][\w\-\u0080-\uffff]*/y;
const QUOTED_OR_INDEX = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d{1,9}/y;
const SLICE = /^(-?\d{0,9}):(-?\d{0,9})(?::(-?\d{0,9}))?$/;

function stepsOf(path: string): Step[] | undefined {
  const steps: Step[] = [];
  const leading = path.startsWith('$') ? '$' : textAt(NAME, path, 0);
  if (leading === undefined) return undefined;
  if (leading !== '$') steps.push({ kind: 'keys', keys: [leading] });
  let at = leading.length;
  while (at < path.length) {
    const dots = path.startsWith('..', at) ? 2 : path[at] === '.' ? 1 : 0;
    at += dots;
    if (dots === 2) steps.push({ kind: 'below' });
    if (dots !== 1 && path[at] === '[') {
      const end = endOfSubscript(path, at);
      if (end === path.length) return undefined;
      const step = subscriptStep(path.slice(at + 1, end).trim());
      if (step === undefined) return undefined;
      steps.push(step);
      at = end + 1;
      continue;
    }
    const name = path[at] === '*' ? '*' : textAt(NAME, path, at);
    if (dots === 0 || name === undefined) return undefined;
    steps.push(name === '*' ? { kind: 'all' } : { kind: 'keys', keys: [name] });
    at += name.length;
  }
  return steps;
}

/** Of the bracket that closes; brackets in quotes do not. */
function endOfSubscript(path: string, start: number): number {
  for (let at = start + 1; at < path.length; at += 1) {
    if (path[at] === ']') return at;
    const isQuote = path[at] === "'" || path[at] === '"';
    const quoted = isQuote ? textAt(QUOTED_OR_INDEX, path, at) : undefined;
    if (quoted !== undefined) at += quoted.length - 1;
  }
  return path.length;
}

function subscriptStep(text: string): Step | undefined {
  if (text === '*') return { kind: 'all' };
  const slice = SLICE.exec(text);
  if (slice !== null) {
    const [, from = '', to = '', by = ''] = slice;
    const number = (part: string, other: number): number => (part === '' ? other : Number(part));
    return { kind: 'slice', from: number(from, 0), to: number(to, Infinity), by: number(by, 1) };
  }
  const keys: Key[] = [];
  for (let at = 0; at <= text.length; at += 1) {
    while (text[at] === ' ') at += 1;
    const part = textAt(QUOTED_OR_INDEX, text, at);
    if (part === undefined) return undefined;
    keys.push(/^['"]/.test(part) ? part.slice(1, -1).replace(/\\(.)/g, '$1') : Number(part));
    at += part.length;
    while (text[at] === ' ') at += 1;
    if (at < text.length && text[at] !== ',') return undefined;
  }
  return { kind: 'keys', keys };
}

function textAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function* take(node: JsonNode, step: Step): Generator<JsonNode> {
  if (step.kind === 'below') {
    yield* allBelow(node);
    return;
  }
  const { value: holder } = node;
  if (typeof holder !== 'object' || holder === null) return;
  if (step.kind === 'all') yield* membersOf(holder);
  else if (step.kind === 'keys') {
    for (const key of step.keys) {
      const at =
        typeof key === 'number' && key < 0 && Array.isArray(holder) ? holder.length + key : key;
      if (typeof at === 'number' && !Array.isArray(holder)) continue;
      if (typeof at === 'string' && Array.isArray(holder)) continue;
      if (Object.hasOwn(holder, at)) yield nodeAt(holder, at);
    }
  } else if (Array.isArray(holder) && step.by > 0) {
    const { length } = holder;
    const from = step.from < 0 ? Math.max(0, length + step.from) : step.from;
    const to = step.to < 0 ? length + step.to : Math.min(step.to, length);
    for (let i = from; i < to; i += step.by) yield nodeAt(holder, i);
  }
}

/** Without recursion: a document may nest as deep as its length allows. */
function* allBelow(root: JsonNode): Generator<JsonNode> {
  const waiting = [root];
  for (let visits = 0; waiting.length > 0 && visits < VISITS_MAX; visits += 1) {
    const node = waiting.pop() as JsonNode;
    if (typeof node.value !== 'object' || node.value === null) continue;
    yield node;
    for (const member of [...membersOf(node.value)].reverse()) waiting.push(member);
  }
}

function* membersOf(holder: object): Generator<JsonNode> {
  if (Array.isArray(holder)) {
    for (let i = 0; i < holder.length; i += 1) yield nodeAt(holder, i);
  } else {
    for (const key of Object.keys(holder)) yield nodeAt(holder, key);
  }
}

function nodeAt(holder: object, key: Key): JsonNode {
  return { value: (holder as Record<Key, unknown>)[key], holder, key };
}
