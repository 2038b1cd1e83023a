import {
  type ConfigStore,
  type StoredItem,
  StoreError,
  type WriteOptions,
} from '@polygate/config-store';
import { ConfigError, RESOURCE_SINGULAR } from '@polygate/model';
import type { Logger } from '@polygate/plugin-sdk';
import { type Answer, KEY_NOT_FOUND, refusal } from './answer.ts';
import type { Envelope } from './envelope.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import { type Arguments, filterItems, PAGE_SIZE_REFUSAL, pageOf } from './listing.ts';
import { mergeInto, setSubPath } from './patch-value.ts';
import type { PluginSets } from './plugins/plugin-sets.ts';
import type { Refusal, Resource, ResourceMethod } from './resources/resource.ts';
import type { ResourcePath } from './routes/resource-path.ts';
import { refuseTimestamps, stampPatch, stampWrite } from './timestamps.ts';
import { validateWrite, type WriteRules } from './validate-write.ts';

/** One request for an object or a collection, after authentication and parsing. */
export interface ResourceRequest extends ResourcePath {
  readonly method: ResourceMethod;
  readonly resource: Resource;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
  readonly args: Arguments;
}

export interface ResourceHandlerOptions {
  readonly store: ConfigStore;
  readonly plugins: PluginSets;
  readonly envelope: Envelope;
  readonly log: Logger;
  readonly rules: WriteRules;
}

/** Ids of the model's pattern, and the longer names of consumers; nothing else can be a key. */
const ID_PATTERN = /^[\w.-]{1,256}$/;
/** With the manager in front. */
const SECRET_ID_PATTERN = /^[\w.-]{1,256}\/[\w.-]{1,256}$/;

/**
 * What all kinds share: reading, writing, patching and deleting, with the status codes and texts of
 * apisix/admin/resource.lua. Failures of the store come out as StoreError, but for a lost race.
 */
export class ResourceHandler {
  readonly #store: ConfigStore;
  readonly #plugins: PluginSets;
  readonly #envelope: Envelope;
  readonly #log: Logger;
  readonly #rules: WriteRules;

  constructor({ store, plugins, envelope, log, rules }: ResourceHandlerOptions) {
    this.#store = store;
    this.#plugins = plugins;
    this.#envelope = envelope;
    this.#log = log;
    this.#rules = rules;
  }

  async handle(request: ResourceRequest): Promise<Answer> {
    const { method, resource, args } = request;
    const ttlSeconds = readTtl(args['ttl']);
    if (ttlSeconds === 'invalid') {
      return refusal(400, 'invalid argument ttl: should be a number');
    }
    if (resource.unsupported.includes(method)) {
      const label = RESOURCE_SINGULAR[resource.kind];
      return refusal(405, `not supported \`${method}\` method for ${label}`);
    }
    const options = ttlSeconds === undefined ? {} : { ttlSeconds };
    switch (method) {
      case 'GET':
        return request.id === undefined ? this.#list(request) : this.#get(request, request.id);
      case 'PUT':
        return this.#put(request, options);
      case 'POST':
        return this.#post(request, options);
      case 'PATCH':
        return this.#patch(request, options);
      case 'DELETE':
        return this.#delete(request);
    }
  }

  async #get(request: ResourceRequest, id: string): Promise<Answer> {
    const item = await this.#read(request, id);
    if (item === undefined) return KEY_NOT_FOUND;
    if (item.invalid !== undefined) {
      return refusal(500, `the stored value of ${item.key} is invalid: ${item.invalid}`);
    }
    return this.#envelope.one(withoutHidden(request.resource, item));
  }

  async #list({ resource, dir, args }: ResourceRequest): Promise<Answer> {
    const { items } = await this.#store.list(`${dir}/`);
    const own = items.filter(({ key }) => isId(resource, key.slice(dir.length + 1)));
    // a collection of its own has a placeholder in etcd, one below an object has not
    if (own.length === 0 && dir !== `/${resource.kind}`) return KEY_NOT_FOUND;
    const found = filterItems(own, args, resource.filterFields);
    const page = pageOf(found, args);
    if (page === undefined) return { status: 400, body: PAGE_SIZE_REFUSAL };
    const shown = page.map((item) => withoutHidden(resource, item));
    return this.#envelope.list(dir, shown, found.length);
  }

  async #put(request: ResourceRequest, options: WriteOptions): Promise<Answer> {
    const { resource, id, body } = request;
    const conf = readConf(resource, { id, body, needsId: true });
    if (!conf.ok) return conf.answer;
    const { value } = conf;
    const refused = refuseTimestamps(value) ?? (await this.#refuseWrite(request, conf.id, value));
    if (refused !== undefined) return answerOf(refused);

    const key = `${request.dir}/${conf.id ?? String(value['username'])}`;
    if (resource.idSource === 'name') {
      value['id'] = conf.id;
    } else {
      stampWrite(value, (await this.#store.get(key))?.value);
    }
    const { item, created } = await this.#store.put(key, value, options);
    return this.#envelope.written('set', created ? 201 : 200, item);
  }

  async #post(request: ResourceRequest, options: WriteOptions): Promise<Answer> {
    const { resource, dir, id, body } = request;
    const conf = readConf(resource, { id, body, needsId: false });
    if (!conf.ok) return conf.answer;
    const { value } = conf;
    const refused = refuseTimestamps(value) ?? (await this.#refuseWrite(request, undefined, value));
    if (refused !== undefined) return answerOf(refused);

    stampWrite(value, undefined);
    const { item } = await this.#store.push(dir, value, options);
    return this.#envelope.written('create', 201, item);
  }

  async #patch(request: ResourceRequest, options: WriteOptions): Promise<Answer> {
    const { resource, id, subPath, body } = request;
    if (id === undefined) {
      return refusal(400, resource.kind === 'secrets' ? 'no secret id' : missingId(resource));
    }
    if (body === undefined) return refusal(400, 'missing new configuration');
    if (subPath === '' && !isJsonObject(body)) return refusal(400, 'invalid configuration');

    const old = await this.#read(request, id);
    if (old === undefined) return KEY_NOT_FOUND;
    const value = isJsonObject(old.value) ? structuredClone(old.value) : {};
    if (subPath === '') {
      const changes = body as JsonObject;
      mergeInto(value, changes);
      stampPatch(value, changes);
    } else {
      const refused = setSubPath(value, subPath, body);
      if (refused !== undefined) return refusal(400, refused);
      stampPatch(value, undefined);
    }

    const conf = readConf(resource, { id, body: value, needsId: true });
    if (!conf.ok) return conf.answer;
    const refused = await this.#refuseWrite(request, id, conf.value);
    if (refused !== undefined) return answerOf(refused);
    return this.#swap(old.key, conf.value, { ...options, ifModifiedIndex: old.modifiedIndex });
  }

  async #swap(key: string, value: JsonObject, options: WriteOptions): Promise<Answer> {
    try {
      const { item } = await this.#store.put(key, value, options);
      return this.#envelope.written('compareAndSwap', 200, item);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'CONFLICT') throw error;
      return refusal(503, 'value changed before overwritten');
    }
  }

  async #delete({ resource, dir, id, args }: ResourceRequest): Promise<Answer> {
    if (id === undefined) return refusal(400, missingId(resource));
    if (!isId(resource, id)) return KEY_NOT_FOUND;
    if (args['force'] !== 'true') {
      const refused = await resource.refuseDelete?.(this.#store, id);
      if (refused !== undefined) return refusal(400, refused);
    }
    const owned = resource.ownedPrefix?.(id);
    if (owned !== undefined) await this.#store.deletePrefix(owned);
    const key = `${dir}/${id}`;
    const deleted = await this.#store.delete(key);
    return deleted === 0 ? KEY_NOT_FOUND : this.#envelope.deleted(key);
  }

  async #read({ resource, dir }: ResourceRequest, id: string) {
    return isId(resource, id) ? this.#store.get(`${dir}/${id}`) : undefined;
  }

  async #refuseWrite(
    { resource, consumer }: ResourceRequest,
    id: string | undefined,
    value: JsonObject,
  ): Promise<Refusal | undefined> {
    const { current: plugins, definitions } = this.#plugins;
    try {
      const write = { id, value, plugins, definitions, rules: this.#rules };
      const warnings = validateWrite(resource, write);
      for (const warning of warnings) this.#log.warn(`${warning}, accepting it: it is disabled`);
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
    return resource.refuseWrite?.({ store: this.#store, plugins, id, value, consumer });
  }
}

type Conf =
  | { readonly ok: true; readonly id: string | undefined; readonly value: JsonObject }
  | { readonly ok: false; readonly answer: Answer };

/** The value of a write with its id in it, or why the two do not fit. */
function readConf(
  resource: Resource,
  { id, body, needsId }: { id: string | undefined; body: unknown; needsId: boolean },
): Conf {
  const refuse = (message: string): Conf => ({ ok: false, answer: refusal(400, message) });
  const label = RESOURCE_SINGULAR[resource.kind];
  if (body === undefined) return refuse('missing configurations');
  // Lua cannot tell an empty list from an empty object
  const value: unknown = Array.isArray(body) && body.length === 0 ? {} : body;
  if (!isJsonObject(value)) {
    return refuse(`invalid configuration: wrong type: expected object, got ${luaTypeOf(value)}`);
  }
  if (resource.idSource !== 'id') return { ok: true, id, value };

  const own = value['id'] ?? undefined;
  if (!needsId) {
    const hasId = id !== undefined || own !== undefined;
    return hasId ? refuse(`wrong ${label} id, do not need it`) : { ok: true, id, value };
  }
  if (id === undefined && own === undefined) return refuse(missingId(resource));
  if (id !== undefined && own !== undefined && asId(own) !== id) {
    return refuse(`wrong ${label} id`);
  }
  // the schema has the last word on what an id may look like; those of secrets say nothing of it
  if (resource.kind === 'secrets' && !isId(resource, id ?? asId(own))) {
    return refuse(`wrong ${label} id`);
  }
  value['id'] = id ?? own;
  return { ok: true, id: id ?? asId(own), value };
}

function asId(id: unknown): string {
  return typeof id === 'string' || typeof id === 'number' ? String(id) : '';
}

function missingId(resource: Resource): string {
  return `missing ${RESOURCE_SINGULAR[resource.kind]} id`;
}

function isId({ kind }: Resource, id: string): boolean {
  return (kind === 'secrets' ? SECRET_ID_PATTERN : ID_PATTERN).test(id);
}

function answerOf(refused: Refusal): Answer {
  return typeof refused === 'string' ? refusal(400, refused) : refused;
}

function withoutHidden({ hiddenFields }: Resource, item: StoredItem): StoredItem {
  if (hiddenFields === undefined || !isJsonObject(item.value)) return item;
  const shown = Object.entries(item.value).filter(([field]) => !hiddenFields.includes(field));
  return { ...item, value: Object.fromEntries(shown) };
}

function readTtl(ttl: string | undefined): number | undefined | 'invalid' {
  if (ttl === undefined) return undefined;
  const seconds = ttl.trim() === '' ? Number.NaN : Number(ttl);
  return seconds > 0 && seconds < Number.MAX_SAFE_INTEGER ? Math.ceil(seconds) : 'invalid';
}

/** How APISIX's validator names a value's type. */
function luaTypeOf(value: unknown): string {
  if (value === null) return 'userdata';
  return typeof value === 'object' ? 'table' : typeof value;
}
