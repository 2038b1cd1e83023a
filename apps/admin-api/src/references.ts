import type { StoredItem } from '@polygate/config-store';
import { isSecretReference, type ResourceKind } from '@polygate/model';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { Definitions } from './plugins/plugin-set.ts';
import type { ReadableStore } from './store/readable-store.ts';

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
  store: ReadableStore,
  value: JsonObject,
  references: readonly Reference[],
): Promise<string | undefined> {
  for (const { field, kind, label } of references) {
    const id = value[field];
    if (typeof id !== 'string' && typeof id !== 'number') continue;
    if ((await findObject(store, kind, id)) !== undefined) continue;
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
  store: ReadableStore,
  upstream: unknown,
): Promise<string | undefined> {
  const tls = isJsonObject(upstream) ? upstream['tls'] : undefined;
  const id = isJsonObject(tls) ? tls['client_cert_id'] : undefined;
  if (typeof id !== 'string' && typeof id !== 'number') return undefined;
  const item = await findObject(store, 'ssls', id);
  const fault = `failed to fetch ssl info by ssl id [${id}]`;
  if (item === undefined) return `${fault}, response code: 404`;
  const isClient = isJsonObject(item.value) && item.value['type'] === 'client';
  return isClient ? undefined : `${fault}, wrong ssl type`;
}

/** What an id can be: schemas let `$secret://…` through, which would be a key of another depth. */
const ID_PATTERN = /^[\w.-]{1,256}$/;

/** The object that a value refers to, if there is one. */
export async function findObject(
  store: ReadableStore,
  kind: ResourceKind,
  id: string | number,
): Promise<StoredItem | undefined> {
  return ID_PATTERN.test(String(id)) ? store.get(`/${kind}/${id}`) : undefined;
}

/** Objects of one kind that may point at the object to be deleted. */
export interface Dependents {
  readonly kind: ResourceKind;
  /** How APISIX's message calls one of them. */
  readonly label: string;
  /** The ids that it points at. Has to be the same function each time: what it finds is kept. */
  readonly uses: FindUses;
}

type FindUses = (value: JsonObject) => readonly Use[];

interface Use {
  readonly id: string;
  /** What of the object points there: itself or a plugin's conf. */
  readonly by: 'itself' | 'plugin';
}

/**
 * Why the object may not be deleted: the first one found that still uses it. Reads the store, where
 * APISIX asks its own, possibly older, view.
 *
 * @param deleted what is deleted, in APISIX's words, as `this service directly`
 */
export async function findUser(
  store: ReadableStore,
  id: string,
  deleted: string,
  dependents: readonly Dependents[],
): Promise<string | undefined> {
  for (const { kind, label, uses } of dependents) {
    const { items } = await store.list(`/${kind}/`);
    const found = users(items, kind, uses).get(id);
    if (found === undefined) continue;
    const user = `${found.by === 'plugin' ? 'plugin in ' : ''}${label} [${idOf(found.item)}]`;
    return `can not delete ${deleted}, ${user} is still using it now`;
  }
  return undefined;
}

interface User {
  readonly item: StoredItem;
  readonly by: Use['by'];
}

/** The first user of each id. */
const users = keptByList((objects: readonly StoredObject[], uses: FindUses) => {
  const first = new Map<string, User>();
  for (const { item, value } of objects) {
    for (const { id, by } of uses(value)) if (!first.has(id)) first.set(id, { item, by });
  }
  return first;
});

const fieldReaders = new Map<string, FindUses>();

export function usesByField(field: string): FindUses {
  const known = fieldReaders.get(field) ?? ((value: JsonObject) => useOf(value[field], 'itself'));
  fieldReaders.set(field, known);
  return known;
}

/** An upstream is used by the rules of traffic-split and by `upstream_id`. */
export function usesUpstream(value: JsonObject): readonly Use[] {
  return [...usesUpstreamInPlugin(value), ...useOf(value['upstream_id'], 'itself')];
}

/** By grpc-transcode. */
export function usesProto({ plugins }: JsonObject): readonly Use[] {
  const conf = isJsonObject(plugins) ? plugins['grpc-transcode'] : undefined;
  return isJsonObject(conf) ? useOf(conf['proto_id'], 'itself') : [];
}

export function usesUpstreamInPlugin(value: JsonObject): readonly Use[] {
  const plugins = value['plugins'];
  const split = isJsonObject(plugins) ? plugins['traffic-split'] : undefined;
  const rules = isJsonObject(split) ? split['rules'] : undefined;
  if (!Array.isArray(rules)) return [];
  const weighted = rules.flatMap((rule) =>
    isJsonObject(rule) && Array.isArray(rule['weighted_upstreams'])
      ? (rule['weighted_upstreams'] as unknown[])
      : [],
  );
  return weighted.flatMap((one) => (isJsonObject(one) ? useOf(one['upstream_id'], 'plugin') : []));
}

function useOf(id: unknown, by: Use['by']): readonly Use[] {
  return typeof id === 'string' || typeof id === 'number' ? [{ id: String(id), by }] : [];
}

/** Why a global rule may not be written: a plugin of it is in another one. */
export async function findDuplicateGlobalPlugin(
  store: ReadableStore,
  id: string | undefined,
  plugins: JsonObject,
): Promise<string | undefined> {
  const { items } = await store.list('/global_rules/');
  const rulesByPlugin = globalPlugins(items, 'global_rules', 'all');
  for (const name of Object.keys(plugins)) {
    const other = rulesByPlugin.get(name)?.find((rule) => rule !== id);
    if (other === undefined) continue;
    return `plugin '${name}' already exists in global rule with id '${other}'`;
  }
  return undefined;
}

/** Ids of the rules that have a plugin: two at most, since one of them may be the asker's own. */
const globalPlugins = keptByList((objects: readonly StoredObject[]) => {
  const rules = new Map<string, string[]>();
  for (const { item, value } of objects) {
    if (!isJsonObject(value['plugins'])) continue;
    for (const name of Object.keys(value['plugins'])) {
      const known = rules.get(name) ?? [];
      rules.set(name, known);
      if (known.length < 2) known.push(idOf(item));
    }
  }
  return rules;
});

/** How a consumer is found by a plugin: the field of its conf that has to be unique. */
export interface ConsumerKey {
  readonly plugin: string;
  readonly field: string;
}

export function consumerKeysOf(plugins: Definitions): readonly ConsumerKey[] {
  return [...plugins.values()].flatMap(({ name, consumerKey, sharesConsumerKeys }) =>
    consumerKey === undefined || sharesConsumerKeys === true
      ? []
      : [{ plugin: name, field: consumerKey }],
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
  store: ReadableStore,
  { username, credentialId, value, keys }: CredentialHolder,
): Promise<string | undefined> {
  const wanted = keys.flatMap(({ plugin, field }) => {
    const credential = credentialOf(value, plugin, field);
    return credential === undefined ? [] : [{ plugin, field, credential }];
  });
  if (wanted.length === 0) return undefined;

  const { items } = await store.list('/consumers/');
  const holders = credentialHolders(items, keys);
  for (const { plugin, field, credential } of wanted) {
    const same = holders
      .get(nameOf(plugin, field, credential))
      ?.find(
        (other) =>
          other.owner !== username ||
          (credentialId !== undefined && other.credentialId !== credentialId),
      );
    if (same === undefined) continue;
    const place = same.credentialId === undefined ? '' : `credential: ${same.credentialId} of `;
    return `duplicate ${field} of plugin ${plugin} found with ${place}consumer: ${same.owner}`;
  }
  return undefined;
}

interface Holder {
  readonly owner: string;
  /** Undefined: the consumer itself. */
  readonly credentialId: string | undefined;
}

const holdersByList = new WeakMap<readonly StoredItem[], Map<string, Holder[]>>();

/** Who has a credential. The keys are those of the plugins in use, the same for a whole list. */
function credentialHolders(items: readonly StoredItem[], keys: readonly ConsumerKey[]) {
  const known = holdersByList.get(items);
  if (known !== undefined) return known;
  const holders = new Map<string, Holder[]>();
  holdersByList.set(items, holders);
  for (const { key, value } of items) {
    if (!isJsonObject(value)) continue;
    const [, , owner = '', , credentialId] = key.split('/');
    for (const { plugin, field } of keys) {
      const credential = credentialOf(value, plugin, field);
      if (credential === undefined) continue;
      const name = nameOf(plugin, field, credential);
      const others = holders.get(name);
      if (others === undefined) holders.set(name, [{ owner, credentialId }]);
      else others.push({ owner, credentialId });
    }
  }
  return holders;
}

function nameOf(plugin: string, field: string, credential: string): string {
  return JSON.stringify([plugin, field, credential]);
}

function credentialOf(consumer: JsonObject, plugin: string, field: string): string | undefined {
  const plugins = consumer['plugins'];
  const conf = isJsonObject(plugins) ? plugins[plugin] : undefined;
  const credential = isJsonObject(conf) ? conf[field] : undefined;
  if (typeof credential !== 'string' || isSecretReference(credential)) return undefined;
  return credential;
}

interface StoredObject {
  readonly item: StoredItem;
  readonly value: JsonObject;
}

/**
 * Keeps what was found in a list for as long as there is the list: a transaction asks for the same
 * one thousands of times.
 */
function keptByList<K extends FindUses | 'all', T>(
  find: (objects: readonly StoredObject[], what: K) => T,
): (items: readonly StoredItem[], kind: ResourceKind, what: K) => T {
  const kept = new WeakMap<readonly StoredItem[], Map<K, T>>();
  return (items, kind, what) => {
    const ofList = kept.get(items) ?? new Map<K, T>();
    kept.set(items, ofList);
    const known = ofList.get(what);
    if (known !== undefined) return known;
    const found = find(objectsOf(items, kind), what);
    ofList.set(what, found);
    return found;
  };
}

/** The objects of a kind, without what lives below them (a consumer's credentials). */
function objectsOf(items: readonly StoredItem[], kind: ResourceKind): StoredObject[] {
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

function idOf(item: StoredItem): string {
  return item.key.slice(item.key.lastIndexOf('/') + 1);
}
