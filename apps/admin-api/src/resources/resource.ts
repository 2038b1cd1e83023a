import type { ResourceKind } from '@polygate/model';
import type { Answer } from '../answer.ts';
import type { JsonObject } from '../json-object.ts';
import type { PluginSet } from '../plugins/plugin-set.ts';
import type { ReadableStore } from '../store/readable-store.ts';

export type WriteMethod = 'PUT' | 'POST' | 'PATCH' | 'DELETE';
export type ResourceMethod = WriteMethod | 'GET';

/** The text for a 400, or another answer. */
export type Refusal = string | Answer;

export interface WriteContext {
  readonly store: ReadableStore;
  readonly plugins: PluginSet;
  /** Undefined for a POST. */
  readonly id: string | undefined;
  readonly value: JsonObject;
  /** Whose it is: a credential's consumer, a decoration's service. */
  readonly parent: string | undefined;
}

/** What one kind of object does unlike the others. */
export interface Resource {
  readonly kind: ResourceKind;
  /**
   * Where the id of a PUT comes from: `id` of the path or the body, `username` of the body, or the
   * plugin's `name`, which only the path has.
   */
  readonly idSource: 'id' | 'username' | 'name';
  readonly unsupported: readonly ResourceMethod[];
  /** What `?filter=` may ask for. */
  readonly filterFields: readonly string[];
  /** What is never shown again once it is written. */
  readonly hiddenFields?: readonly string[];
  /** Before a write is checked: what the parent in the path means for the value. */
  bindParent?(value: JsonObject, parent: string): string | undefined;
  /** What a patch may not hold. */
  refusePatch?(changes: JsonObject): string | undefined;
  /** What the value refers to is looked at before its schema is; only the order of faults differs. */
  readonly refersFirst?: true;
  /** What a schema cannot see, after it passed. */
  refuseWrite?(context: WriteContext): Promise<Refusal | undefined>;
  /** Resolves with the text of a refusal; `?force=true` skips it. */
  refuseDelete?(store: ReadableStore, id: string): Promise<string | undefined>;
  /** What disappears with the object: a prefix of keys. */
  ownedPrefix?(id: string): string;
  /** What is left there by an earlier object of the same id disappears when a new one is made. */
  readonly reclaimsOwned?: true;
}
