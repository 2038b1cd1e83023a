import type { ConfigStore, StoredItem } from '@polygate/config-store';
import { isSecretReference, type ResourceKind } from '@polygate/model';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { Definitions } from './plugins/plugin-set.ts';

/** A field that names an object of another kind. */
export interface Reference {
  readonly field: string;
  readonly kind: ResourceKind;
  /** How APISIX's message calls the kind, as `plugin config`. */
  readonly label: string;
}

export const UPSTREAM_REFERENCE: Reference = {
  field: 'upstream_id',
  kind: 'upstreams',
  label: 'upstream',
};

/** Why the object may not be written: the first reference that leads nowhere. */
export async function findDanglingReference(
  store: ConfigStore,
  value: JsonObject,
  references: readonly Reference[],
): Promise<string | undefined> {
  for (const { field, kind, label } of references) {
    const id = value[field];
    if (typeof id !== 'string' && typeof id !== 'number') continue;
    if ((await store.get(`/${kind}/${id}`)) !== undefined) continue;
    return `failed to fetch ${label} info by ${label} id [${id}], response code: 404`;
  }
  return undefined;
}

/**
 * Why an upstream, or an object with an `upstream` in it, may not be written: its
 * `tls.client_cert_id` names no client certificate. Source: check_upstream_conf in
 * apisix/upstream.lua.
 */
export async function findDanglingCertificate(
  store: ConfigStore,
  upstream: unknown,
): Promise<string | undefined> {
  const tls = isJsonObject(upstream) ? upstream['tls'] : undefined;
  const id = isJsonObject(tls) ? tls['client_cert_id'] : undefined;
  if (typeof id !== 'string' && typeof id !== 'number') return undefined;
  const item = await store.get(`/ssls/${id}`);
  const fault = `failed to fetch ssl info by ssl id [${id}]`;
  if (item === undefined) return `${fault}, response code: 404`;
  const isClient = isJsonObject(item.value) && item.value['type'] === 'client';
  return isClient ? undefined : `${fault}, wrong ssl type`;
}

/** Objects of one kind that may point at the object to be deleted. */
export interface Dependents {
  readonly kind: ResourceKind;
  /** How APISIX's message calls one of them. */
  readonly label: string;
  /** What of it points at the id: itself or a plugin's conf. */
  readonly uses: (value: JsonObject, id: string) => 'itself' | 'plugin' | undefined;
}

/**
 * Why the object may not be deleted: the first one found that still uses it. Reads the store, where
 * APISIX asks its own, possibly older, view.
 *
 * @param deleted what is deleted, in APISIX's words, as `this service directly`
 */
export async function findUser(
  store: ConfigStore,
  id: string,
  deleted: string,
  dependents: readonly Dependents[],
): Promise<string | undefined> {
  for (const { kind, label, uses } of dependents) {
    for (const { item, value } of await readObjects(store, kind)) {
      const how = uses(value, id);
      if (how === undefined) continue;
      const user = `${how === 'plugin' ? 'plugin in ' : ''}${label} [${idOf(item)}]`;
      return `can not delete ${deleted}, ${user} is still using it now`;
    }
  }
  return undefined;
}

export function usesByField(field: string): Dependents['uses'] {
  return (value, id) => (isSameId(value[field], id) ? 'itself' : undefined);
}

/** An upstream is used by `upstream_id` and by the rules of traffic-split. */
export function usesUpstream(value: JsonObject, id: string): 'itself' | 'plugin' | undefined {
  if (usesUpstreamInPlugin(value, id) !== undefined) return 'plugin';
  return isSameId(value['upstream_id'], id) ? 'itself' : undefined;
}

/** By grpc-transcode. */
export function usesProto({ plugins }: JsonObject, id: string): 'itself' | undefined {
  const conf = isJsonObject(plugins) ? plugins['grpc-transcode'] : undefined;
  return isJsonObject(conf) && isSameId(conf['proto_id'], id) ? 'itself' : undefined;
}

export function usesUpstreamInPlugin(value: JsonObject, id: string): 'plugin' | undefined {
  const plugins = value['plugins'];
  const split = isJsonObject(plugins) ? plugins['traffic-split'] : undefined;
  const rules = isJsonObject(split) ? split['rules'] : undefined;
  if (!Array.isArray(rules)) return undefined;
  const weighted = rules.flatMap((rule) =>
    isJsonObject(rule) && Array.isArray(rule['weighted_upstreams'])
      ? (rule['weighted_upstreams'] as unknown[])
      : [],
  );
  const used = weighted.some((one) => isJsonObject(one) && isSameId(one['upstream_id'], id));
  return used ? 'plugin' : undefined;
}

/** Why a global rule may not be written: a plugin of it is in another one. */
export async function findDuplicateGlobalPlugin(
  store: ConfigStore,
  id: string | undefined,
  plugins: JsonObject,
): Promise<string | undefined> {
  for (const { item, value } of await readObjects(store, 'global_rules')) {
    if (idOf(item) === id || !isJsonObject(value['plugins'])) continue;
    for (const name of Object.keys(plugins)) {
      if (!Object.hasOwn(value['plugins'], name)) continue;
      return `plugin '${name}' already exists in global rule with id '${idOf(item)}'`;
    }
  }
  return undefined;
}

/** How a consumer is found by a plugin: the field of its conf that has to be unique. */
export interface ConsumerKey {
  readonly plugin: string;
  readonly field: string;
}

export function consumerKeysOf(plugins: Definitions): readonly ConsumerKey[] {
  return [...plugins.values()].flatMap(({ name, consumerKey }) =>
    consumerKey === undefined ? [] : [{ plugin: name, field: consumerKey }],
  );
}

/** A consumer or one of its credentials, which is to be written. */
export interface CredentialHolder {
  readonly username: string;
  /** Undefined: the consumer itself. */
  readonly credentialId?: string | undefined;
  readonly value: JsonObject;
  readonly keys: readonly ConsumerKey[];
}

/**
 * Why a consumer or credential may not be written: another one has the same key, so that whose a
 * request is would be chance. A consumer may have the keys of its own credentials, but not the other
 * way round. References to secrets are not resolved here. Source: check_duplicate_key in
 * apisix/consumer.lua.
 */
export async function findDuplicateCredential(
  store: ConfigStore,
  { username, credentialId, value, keys }: CredentialHolder,
): Promise<string | undefined> {
  const wanted = keys.flatMap(({ plugin, field }) => {
    const credential = credentialOf(value, plugin, field);
    return credential === undefined ? [] : [{ plugin, field, credential }];
  });
  if (wanted.length === 0) return undefined;

  const { items } = await store.list('/consumers/');
  for (const { key, value: other } of items) {
    const [, , owner = '', , ownerCredential] = key.split('/');
    const isOwn = credentialId === undefined || ownerCredential === credentialId;
    if (!isJsonObject(other) || (owner === username && isOwn)) continue;
    const same = wanted.find(
      ({ plugin, field, credential }) => credentialOf(other, plugin, field) === credential,
    );
    if (same === undefined) continue;
    const place = ownerCredential === undefined ? '' : `credential: ${ownerCredential} of `;
    return `duplicate ${same.field} of plugin ${same.plugin} found with ${place}consumer: ${owner}`;
  }
  return undefined;
}

function credentialOf(consumer: JsonObject, plugin: string, field: string): string | undefined {
  const plugins = consumer['plugins'];
  const conf = isJsonObject(plugins) ? plugins[plugin] : undefined;
  const credential = isJsonObject(conf) ? conf[field] : undefined;
  if (typeof credential !== 'string' || isSecretReference(credential)) return undefined;
  return credential;
}

/** The objects of a kind, without what lives below them (a consumer's credentials). */
async function readObjects(
  store: ConfigStore,
  kind: ResourceKind,
): Promise<{ item: StoredItem; value: JsonObject }[]> {
  const { items } = await store.list(`/${kind}/`);
  return items.flatMap((item) =>
    isDirectlyBelow(item.key, kind) && isJsonObject(item.value)
      ? [{ item, value: item.value }]
      : [],
  );
}

/** Whether the key is `/<kind>/<id>`; APISIX also keeps a `/<kind>/` in etcd as a placeholder. */
export function isDirectlyBelow(key: string, kind: ResourceKind): boolean {
  const rest = key.slice(kind.length + 2);
  return rest !== '' && !rest.includes('/');
}

function isSameId(value: unknown, id: string): boolean {
  return (typeof value === 'string' || typeof value === 'number') && String(value) === id;
}

function idOf(item: StoredItem): string {
  return item.key.slice(item.key.lastIndexOf('/') + 1);
}
