import { ConfigError } from '../../errors.ts';

const PREFIX = 'post_arg.';
const OPENERS: Readonly<Record<string, string>> = { ')': '(', ']': '[' };

/**
 * Checks the JSON paths in an expression's variables, `post_arg.<path>`: not empty, brackets
 * and quotes closed. Sources: apisix/admin/routes.lua, validate_post_arg. Throws ConfigError.
 */
export function checkPostArgs(rule: unknown): void {
  if (!Array.isArray(rule)) return;
  const [name] = rule as readonly unknown[];
  if (rule.length >= 3 && typeof name === 'string' && name.startsWith(PREFIX)) {
    if (isPath(name.slice(PREFIX.length))) return;
    throw new ConfigError(
      `failed to validate the 'vars' expression: invalid expression near "${name}"`,
    );
  }
  for (const child of rule) checkPostArgs(child);
}

function isPath(path: string): boolean {
  const open: string[] = [];
  let quote = '';
  for (const char of path) {
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '(' || char === '[') open.push(char);
    else if (OPENERS[char] !== undefined && open.pop() !== OPENERS[char]) return false;
  }
  const badStep = path === '' || path.endsWith('.') || path.includes('[.') || path.includes('[]');
  return quote === '' && open.length === 0 && !badStep;
}
