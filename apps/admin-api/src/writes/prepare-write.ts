import type { StoredItem } from '@polygate/config-store';
import { ConfigError, RESOURCE_SINGULAR } from '@polygate/model';
import type { Logger } from '@polygate/plugin-sdk';
import { type Answer, refusal } from '../answer.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { mergeInto, setSubPath } from './patch-value.ts';
import type { PluginSets } from '../plugins/plugin-sets.ts';
import type { Refusal, Resource, ResourceMethod } from '../resources/resource.ts';
import type { ResourcePath } from '../routes/resource-path.ts';
import type { ReadableStore } from '../store/readable-store.ts';
import { refuseTimestamps, stampPatch } from './timestamps.ts';
import { validateWrite, type WriteRules } from './validate-write.ts';

/** One object to be written, deleted or read. */
export interface ResourceTarget extends ResourcePath {
  readonly method: ResourceMethod;
  readonly resource: Resource;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
}

/** What is going to be stored, as far as its schema and its path go. */
export interface PreparedValue {
  /** Undefined for a POST. */
  readonly id: string | undefined;
  /** Undefined for a POST. */
  readonly key: string | undefined;
  readonly value: JsonObject;
}

export type Prepared =
  | { readonly ok: true; readonly prepared: PreparedValue }
  | { readonly ok: false; readonly answer: Answer };

interface WritePreparerOptions {
  readonly plugins: PluginSets;
  readonly rules: WriteRules;
  readonly log: Logger;
}

/** Ids of the model's pattern, and the longer names of consumers; nothing else can be a key. */
const ID_PATTERN = /^[\w.-]{1,256}$/;
/** With the manager in front. */
const SECRET_ID_PATTERN = /^[\w.-]{1,256}\/[\w.-]{1,256}$/;

/**
 * From what a client sent to what is stored, with the refusals of apisix/admin/resource.lua. What an
 * object refers to is looked at last, in a store that may be one yet to come.
 */
export class WritePreparer {
  readonly #plugins: PluginSets;
  readonly #rules: WriteRules;
  readonly #log: Logger;

  constructor({ plugins, rules, log }: WritePreparerOptions) {
    this.#plugins = plugins;
    this.#rules = rules;
    this.#log = log;
  }

  /** Of a PUT or, with `needsId` false, a POST. */
  prepareNew(target: ResourceTarget, needsId: boolean): Prepared {
    const { resource, parent, body, dir } = target;
    const conf = readConf(resource, { id: target.id, body, needsId });
    if (!conf.ok) return conf;
    const { value } = conf;
    const id = needsId ? conf.id : undefined;
    const unbound = parent === undefined ? undefined : resource.bindParent?.(value, parent);
    const refused = unbound ?? refuseTimestamps(value) ?? this.refuseInvalid(resource, id, value);
    if (refused !== undefined) return refuse(refused);
    const own = needsId ? (id ?? String(value['username'])) : undefined;
    // the schema takes a `$secret://…`, which is a key of another depth or none at all
    if (own !== undefined && !isId(resource, own)) {
      return refuse(`wrong ${RESOURCE_SINGULAR[resource.kind]} id`);
    }
    const key = own === undefined ? undefined : `${dir}/${own}`;
    return { ok: true, prepared: { id, key, value } };
  }

  /** Of a PATCH of what is stored. */
  preparePatch(target: ResourceTarget, old: StoredItem): Prepared {
    const { resource, id, subPath, body } = target;
    const value = isJsonObject(old.value) ? structuredClone(old.value) : {};
    if (subPath === '') {
      const changes = body as JsonObject;
      mergeInto(value, changes);
      stampPatch(value, changes);
    } else {
      const refused = setSubPath(value, subPath, body);
      if (refused !== undefined) return refuse(refused);
      stampPatch(value, undefined);
    }
    const conf = readConf(resource, { id, body: value, needsId: true });
    if (!conf.ok) return conf;
    const invalid = this.refuseInvalid(resource, id, conf.value);
    if (invalid !== undefined) return refuse(invalid);
    return { ok: true, prepared: { id, key: old.key, value: conf.value } };
  }

  /** What does not fit to the rest of the store. */
  async refuseReferences(
    { resource, parent }: Pick<ResourceTarget, 'resource' | 'parent'>,
    { id, value }: Pick<PreparedValue, 'id' | 'value'>,
    store: ReadableStore,
  ): Promise<Answer | undefined> {
    const { current: plugins } = this.#plugins;
    const refused = await resource.refuseWrite?.({ store, plugins, id, value, parent });
    return refused === undefined ? undefined : answerOf(refused);
  }

  /** What breaks the rules of its kind. */
  refuseInvalid(resource: Resource, id: string | undefined, value: JsonObject): string | undefined {
    const { current: plugins, definitions } = this.#plugins;
    try {
      const write = { id, value, plugins, definitions, rules: this.#rules };
      const warnings = validateWrite(resource, write);
      for (const warning of warnings) this.#log.warn(`${warning}, accepting it: it is disabled`);
      return undefined;
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
  }
}

/** Why nothing can be patched, before what is stored is read. */
export function refusePatch({ resource, id, subPath, body }: ResourceTarget): Answer | undefined {
  if (id === undefined) {
    return refusal(400, resource.kind === 'secrets' ? 'no secret id' : missingId(resource));
  }
  if (body === undefined) return refusal(400, 'missing new configuration');
  if (subPath !== '') return undefined;
  if (!isJsonObject(body)) return refusal(400, 'invalid configuration');
  const refused = resource.refusePatch?.(body);
  return refused === undefined ? undefined : refusal(400, refused);
}

type Conf =
  | { readonly ok: true; readonly id: string | undefined; readonly value: JsonObject }
  | { readonly ok: false; readonly answer: Answer };

/** The value of a write with its id in it, or why the two do not fit. */
function readConf(
  resource: Resource,
  { id, body, needsId }: { id: string | undefined; body: unknown; needsId: boolean },
): Conf {
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

export function missingId(resource: Resource): string {
  return `missing ${RESOURCE_SINGULAR[resource.kind]} id`;
}

export function isId({ kind }: Resource, id: string): boolean {
  return (kind === 'secrets' ? SECRET_ID_PATTERN : ID_PATTERN).test(id);
}

function refuse(message: string): { readonly ok: false; readonly answer: Answer } {
  return { ok: false, answer: refusal(400, message) };
}

function answerOf(refused: Refusal): Answer {
  return typeof refused === 'string' ? refusal(400, refused) : refused;
}

/** How APISIX's validator names a value's type. */
function luaTypeOf(value: unknown): string {
  if (value === null) return 'userdata';
  return typeof value === 'object' ? 'table' : typeof value;
}
