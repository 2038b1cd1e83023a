import { compilePattern, type Pattern } from '@polygate/model';

interface PatternListOptions {
  readonly caseInsensitive?: boolean;
}

/** Throws the ConfigError of the first pattern that cannot be compiled. */
export function compilePatterns(
  sources: readonly string[],
  options?: PatternListOptions,
): readonly Pattern[] {
  return sources.map((source) => compilePattern(source, options));
}

/** Throws a PatternSubjectError for a subject that is too long for one of them. */
export function matchesAny(patterns: readonly Pattern[], subject: string): boolean {
  for (const pattern of patterns) {
    if (pattern.test(subject)) return true;
  }
  return false;
}
