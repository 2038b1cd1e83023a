import { closestWord } from './closest-word.ts';

/** What reading a file has come to know; one for the whole file. */
export interface Findings {
  readonly problems: string[];
  readonly withoutEffect: string[];
  /** Keys of APISIX's sections that nobody knows: APISIX ignores them, so they do not stop a start. */
  readonly unknownKeys: string[];
  /** Texts that came from the environment, by path. */
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * How one key is read. `read` gets undefined for a key that is not written, and gives its
 * default; a value that breaks the rule is a problem, and the default stands in for it.
 */
export interface KeyRule<T> {
  /** For messages: `expected <this>, got number`. */
  readonly expects: string;
  /** The rules below this one, where its keys are known. */
  readonly shape?: Shape;
  /** Its keys do nothing. */
  readonly isUnused?: true;
  read(value: unknown, path: string, findings: Findings): T;
}

export type RuleValue<R> = R extends KeyRule<infer T> ? T : never;
type Shape = Readonly<Record<string, KeyRule<unknown>>>;
type Values<S extends Shape> = { readonly [K in keyof S]: RuleValue<S[K]> };
type Mapping = Readonly<Record<string, unknown>>;

/**
 * A rule from a function that gives undefined for values it does not take. `null`, an empty value
 * in YAML, counts as not written.
 */
export function scalar<T>(
  expects: string,
  fallback: T,
  parse: (value: unknown) => T | undefined,
): KeyRule<T> {
  return {
    expects,
    read(value, path, findings) {
      if (value === undefined || value === null) return fallback;
      const parsed = parse(value);
      if (parsed !== undefined) return parsed;
      findings.problems.push(`${path}: expected ${expects}, got ${describe(value)}`);
      return fallback;
    },
  };
}

/** A mapping with known keys. Another key is a problem below `polygate`, and noted elsewhere. */
export function section<S extends Shape>(shape: S): KeyRule<Values<S>> {
  const names = Object.keys(shape);
  return {
    expects: 'a mapping',
    shape,
    read(value, path, findings) {
      const written = toMapping(value, path, findings);
      for (const key of Object.keys(written)) {
        if (Object.hasOwn(shape, key)) continue;
        const near = closestWord(key, names);
        const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
        const isOurs = path.split('.')[0] === 'polygate';
        const noted = isOurs ? findings.problems : findings.unknownKeys;
        noted.push(`${join(path, key)}: unknown key${hint}`);
      }
      const entries = Object.entries(shape).map(([key, rule]) => {
        const child = Object.hasOwn(written, key) ? written[key] : undefined;
        return [key, rule.read(child, join(path, key), findings)] as const;
      });
      return Object.fromEntries(entries) as Values<S>;
    },
  };
}

/** A section that may be left out. */
export function optionalSection<S extends Shape>(shape: S): KeyRule<Values<S> | undefined> {
  const inner = section(shape);
  return {
    expects: inner.expects,
    shape,
    read: (value, path, findings) =>
      value === undefined || value === null ? undefined : inner.read(value, path, findings),
  };
}

/** A mapping whose keys are somebody else's; merged deeply over `defaults`, lists replaced. */
export function freeForm(defaults: Mapping = {}): KeyRule<Mapping> {
  return {
    expects: 'a mapping',
    read: (value, path, findings) => mergeDeep(defaults, toMapping(value, path, findings)),
  };
}

/** A list; a written one replaces `fallback` wholly. */
export function listOf<T, F>(
  item: KeyRule<T>,
  fallback: F,
  options: { expects: string; itemsMin?: number },
): KeyRule<readonly T[] | F> {
  return {
    expects: options.expects,
    read(value, path, findings) {
      if (value === undefined || value === null) return fallback;
      if (!Array.isArray(value)) {
        findings.problems.push(`${path}: expected ${options.expects}, got ${describe(value)}`);
        return fallback;
      }
      if (value.length < (options.itemsMin ?? 0)) {
        findings.problems.push(`${path}: expected ${options.expects}, got an empty list`);
      }
      return value.flatMap((element: unknown, i) => {
        const itemPath = `${path}[${i}]`;
        if (element !== null) return [item.read(element, itemPath, findings)];
        findings.problems.push(`${itemPath}: expected ${item.expects}, got nothing`);
        return [];
      });
    },
  };
}

/** True or false, also spelled as YAML 1.1 has it, which APISIX's parser takes. */
export function flag<F extends boolean | undefined>(fallback: F): KeyRule<boolean | F> {
  return scalar<boolean | F>('true or false', fallback, (value) => {
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'string') return undefined;
    if (['on', 'yes', 'true'].includes(value.toLowerCase())) return true;
    return ['off', 'no', 'false'].includes(value.toLowerCase()) ? false : undefined;
  });
}

export function integer<F extends number | undefined>(
  fallback: F,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): KeyRule<number | F> {
  const bound = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return scalar<number | F>(`a whole number ${bound}`, fallback, (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? (value as number)
      : undefined,
  );
}

export function oneOf<const T extends string, F extends T | undefined>(
  words: readonly T[],
  fallback: F,
): KeyRule<T | F> {
  const expects = words.length === 1 ? `${words[0]}` : `one of ${words.join(', ')}`;
  return scalar<T | F>(expects, fallback, (value) => words.find((word) => word === value));
}

/**
 * Text for which `accepts` holds. A text from the environment stays one, even if it looks like a
 * number.
 */
export function text<F extends string | undefined>(
  fallback: F,
  expects = 'text',
  accepts: (value: string) => boolean = () => true,
): KeyRule<string | F> {
  const rule = scalar<string | F>(expects, fallback, (value) =>
    typeof value === 'string' && accepts(value) ? value : undefined,
  );
  return {
    expects,
    read: (value, path, findings) => rule.read(findings.texts.get(path) ?? value, path, findings),
  };
}

/**
 * Taken and checked, and of no effect: a key that is written is collected for one line in the
 * log.
 */
export function unused<T>(rule: KeyRule<T>): KeyRule<T> {
  return {
    expects: rule.expects,
    isUnused: true,
    read(value, path, findings) {
      if (value === undefined || value === null) return rule.read(value, path, findings);
      findings.withoutEffect.push(path);
      return rule.read(value, path, { ...findings, withoutEffect: [] });
    },
  };
}

/** Whatever it is. */
export const anything: KeyRule<unknown> = { expects: 'anything', read: (value) => value };

/** For messages. Texts are not quoted: they may be secrets. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? 'text' : typeof value;
}

export function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** Neither argument is changed. */
export function mergeDeep(base: Mapping, over: Mapping): Mapping {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const under = merged.get(key);
    // APISIX removes a key whose value is null
    if (value === null) merged.delete(key);
    else
      merged.set(key, isMapping(value) ? mergeDeep(isMapping(under) ? under : {}, value) : value);
  }
  return Object.fromEntries(merged);
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toMapping(value: unknown, path: string, findings: Findings): Mapping {
  if (value === undefined || value === null) return {};
  if (isMapping(value)) return value;
  // As in Lua, where an empty list and an empty mapping are one thing.
  if (Array.isArray(value) && value.length === 0) return {};
  findings.problems.push(`${path || 'the file'}: expected a mapping, got ${describe(value)}`);
  return {};
}
