/** A pattern with more than a trailing star in it: `/users/:id`, `/files/*path/raw`. */
export interface PathParameters {
  /** What every path begins with that can match. */
  readonly prefix: string;
  /** The parameters by name, or undefined where the path does not match as a whole. */
  capture(path: string): ReadonlyMap<string, string> | undefined;
}

/** A star's part without a name is called this in lua-resty-radixtree. */
const UNNAMED = ':ext';
const SLASH = 47;
const BACKSLASH = 92;

type Item =
  | { readonly kind: 'text'; readonly text: string }
  /** One segment, not empty. */
  | { readonly kind: 'segment'; readonly name: string }
  /** Anything, slashes included. */
  | { readonly kind: 'rest'; readonly name: string };

/**
 * Undefined for a pattern that is plain text, with a star at its end or without. `withColons`:
 * `:name` stands for a segment, as in router mode `radixtree_uri_with_parameter`; `*name` stands for
 * the rest, or for what is before the next segment, in every mode. Only a whole segment is a
 * parameter: `/a:b` matches all that begins with `/a`. Source: fetch_pat and compare_param of
 * lua-resty-radixtree; but text is text here, where there it is part of a regular expression.
 */
export function compileParameters(
  pattern: string,
  withColons: boolean,
): PathParameters | undefined {
  const colon = withColons ? pattern.indexOf(':') : -1;
  const star = pattern.indexOf('*');
  if (colon === -1 && (star === -1 || star === pattern.length - 1)) return undefined;
  const prefix = pattern.slice(0, colon === -1 ? star : colon);
  const items = itemsOf(pattern);
  const hasNames = items.some(({ kind }) => kind !== 'text');
  return { prefix, capture: (path) => (hasNames ? capture(items, path) : NONE) };
}

const NONE: ReadonlyMap<string, string> = new Map();
const KNOWN_MAX = 1000;
const known = new Map<string, readonly Item[]>();

/** The parameters of a path that a pattern has matched, a trailing star's (`:ext`) included. */
export function captureParameters(pattern: string, path: string): ReadonlyMap<string, string> {
  let items = known.get(pattern);
  if (items === undefined) {
    items = itemsOf(pattern);
    if (known.size < KNOWN_MAX) known.set(pattern, items);
  }
  return capture(items, path) ?? NONE;
}

function itemsOf(pattern: string): readonly Item[] {
  return pattern.split('/').map((segment): Item => {
    const name = segment.slice(1);
    if (segment.startsWith(':')) return { kind: 'segment', name };
    if (segment.startsWith('*')) return { kind: 'rest', name: name === '' ? UNNAMED : name };
    return { kind: 'text', text: segment };
  });
}

function capture(items: readonly Item[], path: string): Map<string, string> | undefined {
  const captured = new Map<string, string>();
  return new Matching(items, path, captured).matches(0, 0) ? captured : undefined;
}

/**
 * One try. Only stars leave a choice, the longest part first; from where on a star cannot end is
 * remembered, so that several stars cost no more than items times slashes.
 */
class Matching {
  readonly #items: readonly Item[];
  readonly #path: string;
  readonly #captured: Map<string, string>;
  /** By item: no end from here on leads anywhere. */
  readonly #failedFrom: number[] = [];

  constructor(items: readonly Item[], path: string, captured: Map<string, string>) {
    this.#items = items;
    this.#path = path;
    this.#captured = captured;
  }

  matches(index: number, from: number): boolean {
    const item = this.#items[index] as Item;
    switch (item.kind) {
      case 'text':
        return (
          this.#path.startsWith(item.text, from) && this.#goesOn(index, from + item.text.length)
        );
      case 'segment': {
        const end = endOfSegment(this.#path, from);
        if (end === from || !this.#goesOn(index, end)) return false;
        this.#note(item.name, from, end);
        return true;
      }
      case 'rest':
        return this.#matchesRest(index, item.name, from);
    }
  }

  #matchesRest(index: number, name: string, from: number): boolean {
    const path = this.#path;
    if (index === this.#items.length - 1) {
      this.#note(name, from, path.length);
      return true;
    }
    const failed = this.#failedFrom[index] ?? Infinity;
    if (from >= failed) return false;
    let end = path.lastIndexOf('/', failed - 1);
    while (end >= from) {
      if (this.#goesOn(index, end)) {
        this.#note(name, from, end);
        return true;
      }
      if (end === 0) break;
      end = path.lastIndexOf('/', end - 1);
    }
    this.#failedFrom[index] = from;
    return false;
  }

  /** The next item behind a slash, or the end of both. */
  #goesOn(index: number, at: number): boolean {
    if (index === this.#items.length - 1) return at === this.#path.length;
    return this.#path.charCodeAt(at) === SLASH && this.matches(index + 1, at + 1);
  }

  /** From the last to the first, so that of one name the last one stays, as there. */
  #note(name: string, from: number, end: number): void {
    if (!this.#captured.has(name)) this.#captured.set(name, this.#path.slice(from, end));
  }
}

function endOfSegment(path: string, from: number): number {
  let end = from;
  while (end < path.length) {
    const code = path.charCodeAt(end);
    if (code === SLASH || code === BACKSLASH) break;
    end++;
  }
  return end;
}
