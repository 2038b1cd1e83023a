import { compilePatterns, matchesAny } from '../pattern-list.ts';

/** What to allow for the Origin of a request: the origin itself, `*`, or nothing. */
export type OriginRule = (origin: string | undefined) => string | undefined;

/** `*`, `**`, one origin, or several with commas between them. */
export function originList(allowed: string): OriginRule {
  if (allowed === '*') return () => '*';
  if (allowed === '**') return (origin) => origin ?? '*';
  const origins: ReadonlySet<string | undefined> = new Set(allowed.split(','));
  return (origin) => (origins.has(origin) ? origin : undefined);
}

export function originPatterns(sources: readonly string[]): OriginRule {
  const patterns = compilePatterns(sources);
  return (origin) => (origin !== undefined && matchesAny(patterns, origin) ? origin : undefined);
}

/** Origins by their names in the plugin metadata. A name that is not there allows nothing. */
export function originNames(
  names: readonly string[],
  metadata: Readonly<Record<string, unknown>>,
): OriginRule {
  const known = (metadata['allow_origins'] ?? {}) as Readonly<Record<string, string>>;
  const rules = names.flatMap((name) => {
    const origins = Object.hasOwn(known, name) ? known[name] : undefined;
    return origins === undefined ? [] : [originList(origins)];
  });
  return (origin) =>
    origin !== undefined && rules.some((rule) => rule(origin) !== undefined) ? origin : undefined;
}
