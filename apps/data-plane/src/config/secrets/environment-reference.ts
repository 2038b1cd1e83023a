import type { Resolution } from './resolve-references.ts';

export type Variables = ReadonlyMap<string, string>;

const PREFIX = '$ENV://';

/** The environment, and over it `nginx_config.envs` where these are `NAME=value`. */
export function environmentVariables(
  env: Readonly<Record<string, string | undefined>>,
  nginxEnvs: readonly string[],
): Variables {
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) variables.set(name, value);
  }
  for (const written of nginxEnvs) {
    const equals = written.indexOf('=');
    if (equals > 0) variables.set(written.slice(0, equals), written.slice(equals + 1));
  }
  return variables;
}

/** `$env://…`, in any case of letters. */
export function isEnvironmentReference(reference: string): boolean {
  return reference.slice(0, PREFIX.length).toUpperCase() === PREFIX;
}

/**
 * `$env://NAME`, or `$env://NAME/key` for a member of a variable that holds a JSON object. Source:
 * fetch_by_uri of apisix/core/env.lua.
 */
export function resolveEnvironmentReference(reference: string, variables: Variables): Resolution {
  const path = reference.slice(PREFIX.length);
  const slash = path.indexOf('/');
  const name = slash === -1 ? path : path.slice(0, slash);
  const key = slash === -1 ? '' : path.slice(slash + 1);
  const text = variables.get(name);
  if (text === undefined) return { reason: `no environment variable ${name}` };
  return key === '' ? { value: text } : memberOf(text, name, key);
}

function memberOf(text: string, name: string, key: string): Resolution {
  let object: unknown;
  try {
    object = JSON.parse(text);
  } catch {
    // the text is a secret: neither it nor the parser's message may get into the log
    return { reason: `environment variable ${name} holds no JSON` };
  }
  if (typeof object !== 'object' || object === null || !Object.hasOwn(object, key)) {
    return { reason: `environment variable ${name} has no member ${key}` };
  }
  const value = (object as Record<string, unknown>)[key];
  return value === null ? { reason: `${key} of ${name} is null` } : { value };
}
