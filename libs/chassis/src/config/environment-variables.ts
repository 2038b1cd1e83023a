/** What came out of putting environment variables into the parsed file. */
export interface Substituted {
  readonly value: unknown;
  /** By path: the text as it stood in the environment, before it became a number or a boolean. */
  readonly texts: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
}

/**
 * Replaces `${{NAME}}` and `${{NAME:=default}}` in every text and every key. A text that used a
 * variable and then reads as a number or a boolean becomes one, so that ports and switches can come
 * from the environment. A variable that is not set and has no default is a problem.
 * Follows apisix/cli/file.lua (`resolve_conf_var`); unlike it, blanks before `:=` do not count.
 */
export function substituteVariables(value: unknown, env: NodeJS.ProcessEnv): Substituted {
  const texts = new Map<string, string>();
  const problems: string[] = [];

  function substitute(text: string, path: string): { text: string; used: boolean } {
    const expanded = expand(text, env);
    for (const name of expanded.missing) {
      problems.push(`${path}: environment variable ${name} is not set and has no default`);
    }
    return expanded;
  }

  function walk(node: unknown, path: string): unknown {
    if (typeof node === 'string') {
      const { text, used } = substitute(node, path);
      if (!used) return text;
      texts.set(path, text);
      return toScalar(text);
    }
    if (Array.isArray(node)) return node.map((item, i) => walk(item, `${path}[${i}]`));
    if (typeof node !== 'object' || node === null) return node;
    const entries = Object.entries(node).map(([key, child]) => {
      const name = substitute(key, path).text;
      return [name, walk(child, path === '' ? name : `${path}.${name}`)] as const;
    });
    return Object.fromEntries(entries);
  }

  return { value: walk(value, ''), texts, problems };
}

function expand(text: string, env: NodeJS.ProcessEnv) {
  const missing: string[] = [];
  let result = '';
  let used = false;
  let end = 0;
  for (;;) {
    const open = text.indexOf('${{', end);
    const close = open === -1 ? -1 : text.indexOf('}}', open + 3);
    if (close === -1) return { text: result + text.slice(end), used, missing };
    const inner = text.slice(open + 3, close).trim();
    const assign = inner.indexOf(':=');
    const name = (assign === -1 ? inner : inner.slice(0, assign)).trim();
    const found = env[name] ?? (assign === -1 ? undefined : inner.slice(assign + 2).trim());
    if (!/^\w/.test(name)) {
      result += text.slice(end, close + 2);
    } else {
      result += text.slice(end, open) + (found ?? '');
      if (found === undefined) missing.push(name);
      else used = true;
    }
    end = close + 2;
  }
}

/** Lua's tonumber, for what one writes in a configuration: decimal, exponent and hexadecimal. */
function toScalar(text: string): string | number | boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  const isNumber = /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text);
  if (isNumber || /^\s*0x[\da-f]+\s*$/i.test(text)) return Number(text);
  return text;
}
