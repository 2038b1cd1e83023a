import type { Logger, PluginDefinition } from '@polygate/plugin-sdk';
import {
  type ResolveReference,
  resolveReferences,
  type UnresolvedReference,
} from './resolve-references.ts';

export interface ResolveItemOptions {
  readonly resolve: ResolveReference;
  readonly plugins: ReadonlyMap<string, PluginDefinition>;
  readonly log: Logger;
}

/** What may be in an object of the configuration, as far as references matter. */
interface Holder {
  readonly plugins?: Readonly<Record<string, unknown>>;
  readonly username?: string;
}

/**
 * The validated object with its references to secrets resolved: in the confs of plugins, and in
 * certificates as a whole. One that cannot be resolved stays as it is, as in APISIX; but a consumer
 * or credential loses the auth conf that it stands in, so that nobody gets in by sending the
 * reference itself. Sources: resolve_plugin_conf of apisix/plugin.lua, create_consume_cache of
 * apisix/consumer.lua, match_and_set of apisix/ssl/router/radixtree_sni.lua.
 */
export function resolveItem<T>(
  { kind, key, value }: { readonly kind: string; readonly key: string; readonly value: T },
  { resolve, plugins, log }: ResolveItemOptions,
): T {
  const say = ({ reference, field, reason }: UnresolvedReference, where: string): void =>
    log.error(
      `failed to resolve secret reference: ${reference}, field: ${field}, err: ${reason}; ${where}`,
    );
  if (kind === 'ssls') {
    const resolved = resolveReferences(value, resolve);
    for (const one of resolved.unresolved) say(one, `in ${key}`);
    return resolved.value;
  }
  const { plugins: confs, username } = value as Holder;
  if (confs === undefined) return value;

  const isConsumer = kind === 'consumers' || kind === 'credentials';
  const entries = Object.entries(confs).flatMap(([name, conf]) => {
    const resolved = resolveReferences(conf, resolve);
    for (const one of resolved.unresolved) say(one, `plugin ${name} in ${key}`);
    const isAuth = plugins.get(name)?.type === 'auth';
    if (!isConsumer || !isAuth || resolved.unresolved.length === 0) {
      return [[name, resolved.value] as const];
    }
    log.error(
      'failed to resolve secret reference in consumer auth credential, skipping consumer: ' +
        `${username ?? key}, plugin: ${name}`,
    );
    return [];
  });
  const isSame =
    entries.length === Object.keys(confs).length &&
    entries.every(([name, conf]) => conf === confs[name]);
  return isSame ? value : { ...value, plugins: Object.fromEntries(entries) };
}
