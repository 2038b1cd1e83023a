import assert from 'node:assert';
import {
  type ConfigStore,
  type DeleteResult,
  StoreError,
  type WriteOptions,
} from '@polygate/config-store';
import { RESOURCE_SINGULAR } from '@polygate/model';
import type { Logger } from '@polygate/plugin-sdk';
import { type Answer, KEY_NOT_FOUND, refusal } from './answer.ts';
import type { Envelope } from './envelope.ts';
import { type Arguments, filterItems, PAGE_SIZE_REFUSAL, pageOf } from './listing.ts';
import {
  isId,
  missingId,
  type PreparedValue,
  refusePatch,
  type ResourceTarget,
  type WritePreparer,
} from './writes/prepare-write.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { Resource } from './resources/resource.ts';
import { withoutHidden } from './resources/without-hidden.ts';
import { stampWrite } from './writes/timestamps.ts';

/** One request for an object or a collection, after authentication and parsing. */
export interface ResourceRequest extends ResourceTarget {
  readonly args: Arguments;
}

export interface ResourceHandlerOptions {
  readonly store: ConfigStore;
  readonly preparer: WritePreparer;
  readonly envelope: Envelope;
  readonly log: Logger;
}

/**
 * What all kinds share: reading, writing, patching and deleting, with the status codes and texts of
 * apisix/admin/resource.lua. Failures of the store come out as StoreError, but for a lost race.
 */
export class ResourceHandler {
  readonly #store: ConfigStore;
  readonly #envelope: Envelope;
  readonly #log: Logger;
  readonly #preparer: WritePreparer;

  constructor({ store, preparer, envelope, log }: ResourceHandlerOptions) {
    this.#store = store;
    this.#envelope = envelope;
    this.#log = log;
    this.#preparer = preparer;
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
    const { resource } = request;
    const unbound = await this.#refuseUnbound(request);
    if (unbound !== undefined) return unbound;
    const result = this.#preparer.prepareNew(request, true);
    if (!result.ok) return result.answer;
    const refused = await this.#refuseReferences(request, result.prepared);
    if (refused !== undefined) return refused;
    const { id, key, value } = result.prepared;
    assert(key !== undefined, 'a PUT has a key');
    if (resource.idSource === 'name') {
      value['id'] = id;
    } else {
      stampWrite(value, (await this.#store.get(key))?.value);
    }
    const written = await this.#store.put(key, value, options);
    if (written.created && resource.reclaimsOwned && id !== undefined) {
      await this.#reclaim(resource, id);
    }
    return this.#envelope.written('set', written.created ? 201 : 200, written);
  }

  /** After the write, which would not be undone. Source: admin/services.lua. */
  async #reclaim(resource: Resource, id: string): Promise<void> {
    const prefix = resource.ownedPrefix?.(id);
    if (prefix === undefined) return;
    try {
      await this.#store.deletePrefix(prefix);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#log.error(`what was left below ${prefix} could not be deleted: ${error.message}`);
    }
  }

  async #post(request: ResourceRequest, options: WriteOptions): Promise<Answer> {
    const unbound = await this.#refuseUnbound(request);
    if (unbound !== undefined) return unbound;
    const result = this.#preparer.prepareNew(request, false);
    if (!result.ok) return result.answer;
    const refused = await this.#refuseReferences(request, result.prepared);
    if (refused !== undefined) return refused;
    const { value } = result.prepared;
    stampWrite(value, undefined);
    const written = await this.#store.push(request.dir, value, options);
    return this.#envelope.written('create', 201, written);
  }

  async #patch(request: ResourceRequest, options: WriteOptions): Promise<Answer> {
    const unfit = refusePatch(request);
    if (unfit !== undefined) return unfit;
    const old = await this.#read(request, String(request.id));
    if (old === undefined) return KEY_NOT_FOUND;
    const result = this.#preparer.preparePatch(request, old);
    if (!result.ok) return result.answer;
    const refused = await this.#refuseReferences(request, result.prepared);
    if (refused !== undefined) return refused;
    const ifModifiedIndex = old.modifiedIndex;
    return this.#swap(old.key, result.prepared.value, { ...options, ifModifiedIndex });
  }

  async #swap(key: string, value: JsonObject, options: WriteOptions): Promise<Answer> {
    try {
      const written = await this.#store.put(key, value, options);
      return this.#envelope.written('compareAndSwap', 200, written);
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
    const key = `${dir}/${id}`;
    const owned = resource.ownedPrefix?.(id);
    const result =
      owned === undefined ? await this.#store.delete(key) : await this.#deleteWithOwned(key, owned);
    return result.deleted === 0 ? KEY_NOT_FOUND : this.#envelope.deleted(key, result);
  }

  /** At once: nobody may see the one without the other. */
  async #deleteWithOwned(key: string, prefix: string): Promise<DeleteResult> {
    const item = await this.#store.get(key);
    const { revision } = await this.#store.transact([
      { kind: 'deleteBelow', prefix },
      { kind: 'delete', key },
    ]);
    const previousIndex = item?.modifiedIndex ?? 0;
    return { deleted: item === undefined ? 0 : 1, revision, previousIndex };
  }

  /** What APISIX says of the parent before it looks at the rest. */
  async #refuseUnbound(request: ResourceRequest): Promise<Answer | undefined> {
    const { resource, parent, id, body } = request;
    if (!resource.refersFirst || parent === undefined) return undefined;
    if (!isJsonObject(body)) return refusal(400, 'invalid configuration');
    const refused = resource.bindParent?.(body, parent);
    if (refused !== undefined) return refusal(400, refused);
    return this.#preparer.refuseReferences(request, { id, value: body }, this.#store);
  }

  #refuseReferences(request: ResourceRequest, prepared: PreparedValue) {
    return this.#preparer.refuseReferences(request, prepared, this.#store);
  }

  async #read({ resource, dir }: ResourceRequest, id: string) {
    return isId(resource, id) ? this.#store.get(`${dir}/${id}`) : undefined;
  }
}

/** etcd's own limit for a lease. */
export const TTL_SECONDS_MAX = 9_000_000_000;

function readTtl(ttl: string | undefined): number | undefined | 'invalid' {
  if (ttl === undefined) return undefined;
  const seconds = ttl.trim() === '' ? Number.NaN : Number(ttl);
  return seconds > 0 && seconds <= TTL_SECONDS_MAX ? Math.ceil(seconds) : 'invalid';
}
