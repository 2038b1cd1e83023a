/** The environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A reference names a variable that is not set and has no default. */
export class MissingVariableError extends Error {
  constructor(name: string) {
    super(`failed to handle configuration: can't find environment variable ${name}`);
    this.name = 'MissingVariableError';
  }
}

/**
 * Replaces `${{NAME}}` and `${{NAME:=default}}` in a text. Follows `var_sub` of
 * apisix/cli/file.lua, also in that an empty variable counts as set and that only blanks around the
 * whole reference and around the default are dropped. Throws MissingVariableError.
 */
export function substituteText(text: string, env: Environment): string {
  let result = '';
  let end = 0;
  for (;;) {
    const open = text.indexOf('${{', end);
    const close = open === -1 ? -1 : text.indexOf('}}', open + 3);
    if (close === -1) return result + text.slice(end);
    const reference = text.slice(open + 3, close).trim();
    if (/^\w/.test(reference)) {
      result += text.slice(end, open) + resolve(reference, env);
      end = close + 2;
    } else {
      result += text.slice(end, open + 3);
      end = open + 3;
    }
  }
}

/**
 * Replaces references in every text and key of a parsed document. A text that held one and then
 * reads as a number or a boolean becomes one, so that ports and switches can come from the
 * environment (`resolve_conf_var` of apisix/cli/file.lua). Throws MissingVariableError.
 */
export function substituteDocument(node: unknown, env: Environment): unknown {
  if (typeof node === 'string') {
    const text = substituteText(node, env);
    return text === node ? node : toScalar(text);
  }
  if (Array.isArray(node)) return node.map((item) => substituteDocument(item, env));
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      substituteText(key, env),
      substituteDocument(value, env),
    ]),
  );
}

function resolve(reference: string, env: Environment): string {
  const assign = reference.indexOf(':=');
  const name = assign === -1 ? reference : reference.slice(0, assign);
  const found = Object.hasOwn(env, name) ? env[name] : undefined;
  if (found !== undefined) return found;
  if (assign === -1) throw new MissingVariableError(name);
  return reference.slice(assign + 2).trim();
}

/** Lua's tonumber, for what one writes in a configuration: decimal, exponent and hexadecimal. */
function toScalar(text: string): string | number | boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  if (/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text)) return Number(text);
  if (/^\s*0x[\da-f]+\s*$/i.test(text)) return Number(text);
  return text;
}
