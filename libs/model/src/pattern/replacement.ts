type Part = string | { readonly group: number | string };

const REFERENCE = /\$(?:(\$)|(\d+)|\{(\w+)\})/g;

/**
 * Reads a replacement as ngx.re.sub does: `$1`, `${1}`, `$0` for the whole match, `$$` for a
 * dollar sign; and `${name}`. Another dollar sign stands for itself.
 */
export function parseReplacement(text: string): readonly Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(REFERENCE)) {
    parts.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    if (match[1] !== undefined) parts.push('$');
    else if (match[2] !== undefined) parts.push({ group: Number(match[2]) });
    else parts.push({ group: /^\d+$/.test(match[3] ?? '') ? Number(match[3]) : (match[3] ?? '') });
  }
  parts.push(text.slice(end));
  return parts;
}

/** A group that took no part in the match gives nothing. */
export function fillReplacement(parts: readonly Part[], match: RegExpExecArray): string {
  let filled = '';
  for (const part of parts) {
    if (typeof part === 'string') filled += part;
    else if (typeof part.group === 'number') filled += match[part.group] ?? '';
    else filled += groupNamed(match, part.group);
  }
  return filled;
}

function groupNamed(match: RegExpExecArray, name: string): string {
  return match.groups !== undefined && Object.hasOwn(match.groups, name)
    ? (match.groups[name] ?? '')
    : '';
}
