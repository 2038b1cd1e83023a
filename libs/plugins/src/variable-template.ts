import type { Variables } from '@polygate/plugin-sdk';

// `$name`, `${name}` and `${name ?? default}`; a backslash before `$` keeps it as it stands
const VARIABLE = /(?<!\\)\$(?:\{\s*([^}]+?)\s*\}|([\w.]+))/g;
// `$1` and `${1}`: captures of a pattern that matched before
const CAPTURE = /(?<!\\)\$\{?(\d+)\}?/g;
const DEFAULT_MARK = /\s*\?\?\s*/;

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string; readonly fallback: string | undefined }
  | { readonly kind: 'capture'; readonly index: number };

export interface Rendered {
  readonly text: string;
  /** How many variables had a value or a default. */
  readonly resolved: number;
}

/** A text with `$`-variables, taken apart once. */
export interface VariableTemplate {
  /** What it renders whatever the request; undefined: it has variables or captures. */
  readonly constant: string | undefined;
  /** Variables without value or default give nothing. `escape` sees each value. */
  render(vars: Variables, escape?: (value: string) => string): string;
  /** `captures[0]` is the whole match. */
  renderWithCaptures(vars: Variables, captures: readonly (string | undefined)[]): string;
  resolve(vars: Variables): Rendered;
}

interface CompileOptions {
  /** Whether `$1` means a capture; a variable of that name otherwise. */
  readonly captures?: boolean;
}

/**
 * Source: resolve_var and resolve_var_with_captures of apisix/core/utils.lua. One difference, on
 * purpose: APISIX puts the captures in first and then looks for variables in the result, so a
 * client could have variables of its choice expanded by writing `$name` into the path. Here a
 * captured text is a text.
 */
export function compileTemplate(
  template: string,
  { captures = false }: CompileOptions = {},
): VariableTemplate {
  const parts = captures ? captureParts(template) : variableParts(template);
  const only = parts.length === 1 ? parts[0] : undefined;
  const constant = parts.length === 0 ? '' : only?.kind === 'text' ? only.text : undefined;

  function resolve(
    vars: Variables,
    found: readonly (string | undefined)[],
    escape?: (value: string) => string,
  ): Rendered {
    if (constant !== undefined) return { text: constant, resolved: 0 };
    let text = '';
    let resolved = 0;
    for (const part of parts) {
      if (part.kind === 'text') {
        text += part.text;
      } else if (part.kind === 'capture') {
        text += found[part.index] ?? '';
      } else {
        const value = vars.get(part.name) ?? part.fallback;
        if (value === undefined) continue;
        text += escape === undefined ? value : escape(value);
        resolved += 1;
      }
    }
    return { text, resolved };
  }

  return {
    constant,
    render: (vars, escape) => constant ?? resolve(vars, [], escape).text,
    renderWithCaptures: (vars, found) => constant ?? resolve(vars, found).text,
    resolve: (vars) => resolve(vars, []),
  };
}

function captureParts(template: string): Part[] {
  return split(template, CAPTURE, variableParts, (match) => ({
    kind: 'capture',
    index: Number(match[1]),
  }));
}

function variableParts(template: string): Part[] {
  return split(template, VARIABLE, textPart, (match) => {
    const [name = '', fallback] = (match[1] ?? match[2] ?? '').split(DEFAULT_MARK);
    return { kind: 'variable', name, fallback };
  });
}

function textPart(text: string): Part[] {
  return text === '' ? [] : [{ kind: 'text', text }];
}

function split(
  template: string,
  pattern: RegExp,
  between: (text: string) => Part[],
  matched: (match: RegExpMatchArray) => Part,
): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of template.matchAll(pattern)) {
    parts.push(...between(template.slice(end, match.index)), matched(match));
    end = match.index + match[0].length;
  }
  parts.push(...between(template.slice(end)));
  return parts;
}
