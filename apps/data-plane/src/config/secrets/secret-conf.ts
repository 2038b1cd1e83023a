import {
  isEnvironmentReference,
  resolveEnvironmentReference,
  type Variables,
} from './environment-reference.ts';

/** What `$env://NAME` in a secret manager's conf stands for; everything else is itself. */
export function plainText(text: string, variables: Variables): string {
  if (!isEnvironmentReference(text)) return text;
  const resolution = resolveEnvironmentReference(text, variables);
  return 'value' in resolution && typeof resolution.value === 'string' ? resolution.value : text;
}

/** A member of a JSON object in a text. Undefined: the text is none, or has no such member. */
export function memberOf(text: string, name: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // what is no JSON has no members
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  const member = (value as Record<string, unknown>)[name];
  return member === null ? undefined : member;
}

/** Whether all of these are texts, where they have to be (`required`) or are there. */
export function hasTexts(
  value: unknown,
  required: readonly string[],
  optional: readonly string[] = [],
): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const members = value as Record<string, unknown>;
  return (
    required.every((name) => typeof members[name] === 'string') &&
    optional.every((name) => ['string', 'undefined'].includes(typeof members[name]))
  );
}
