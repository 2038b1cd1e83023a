import type { PluginDefinition } from './plugin.ts';

type TransportChecked = Pick<PluginDefinition, 'name' | 'httpsFields' | 'tlsFields'>;

/**
 * Sentences about what a conf sends in the clear, or to somebody whose certificate nobody looks at: for the
 * log, since it may be meant. Source: check_https and check_tls_bool of apisix/core/utils.lua.
 */
export function transportRisks(
  { name, httpsFields = [], tlsFields = [] }: TransportChecked,
  conf: unknown,
): readonly string[] {
  const clear = httpsFields.flatMap((field) =>
    textsOf(valueAt(conf, field))
      .filter((address) => !address.startsWith('https'))
      .map(() => `Using ${name} ${field} with no TLS is a security risk`),
  );
  const off = tlsFields
    .filter((field) => valueAt(conf, field) === false)
    .map((field) => `Keeping ${field} disabled in ${name} configuration is a security risk`);
  return [...clear, ...off];
}

/** `path`: as `tls.verify`. */
function valueAt(conf: unknown, path: string): unknown {
  let value = conf;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

function textsOf(value: unknown): readonly string[] {
  return [value].flat().filter((text) => typeof text === 'string');
}
