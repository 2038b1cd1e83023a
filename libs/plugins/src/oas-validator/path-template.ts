import { compilePattern } from '@polygate/model';

/** A path of an OpenAPI document, as `/users/{id}.json`. */
export interface PathTemplate {
  readonly segments: readonly Segment[];
  /** The values of its parameters by name; undefined: it is another path. */
  match(segments: readonly string[]): ReadonlyMap<string, string> | undefined;
}

interface Segment {
  /** 0: text, 1: text and parameters, 2: a parameter alone. */
  readonly rank: number;
  /** False: it is another one. Puts the values of its parameters in. */
  read(text: string, values: Map<string, string>): boolean;
}

const PARAMETER = /\{([^}]+)\}/g;

export function compilePathTemplate(template: string): PathTemplate {
  const segments = template.slice(1).split('/').map(compileSegment);
  return {
    segments,
    match(texts) {
      const values = new Map<string, string>();
      return segments.every((segment, i) => segment.read(texts[i] ?? '', values))
        ? values
        : undefined;
    },
  };
}

/** For sorting: a path of text comes before one that a parameter stands in, from the left. */
export function isMoreSpecific(a: PathTemplate, b: PathTemplate): number {
  for (const [i, { rank }] of a.segments.entries()) {
    const difference = rank - (b.segments[i]?.rank ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compileSegment(segment: string): Segment {
  const names = Array.from(segment.matchAll(PARAMETER), ([, name = '']) => name);
  const [only] = names;
  if (only === undefined) return { rank: 0, read: (text) => text === segment };
  if (segment === `{${only}}`) {
    return {
      rank: 2,
      read(text, values) {
        if (text !== '') values.set(only, text);
        return text !== '';
      },
    };
  }
  const literals = segment.split(PARAMETER).filter((_, i) => i % 2 === 0);
  const pattern = compilePattern(`^${literals.map(escapeText).join('([^/]+?)')}$`);
  return {
    rank: 1,
    read(text, values) {
      if (text.length > pattern.subjectCharsMax) return false;
      const found = pattern.exec(text);
      if (found === null) return false;
      for (const [i, name] of names.entries()) values.set(name, found[i + 1] ?? '');
      return true;
    },
  };
}

function escapeText(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
