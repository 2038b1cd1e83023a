import { COLLECTIONS } from '@polygate/config-store';
import { ConfigError, isSecretReference, RESOURCE_SINGULAR } from '@polygate/model';
import { type Answer, refusal } from './answer.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { PluginSets } from './plugins/plugin-sets.ts';
import { findResource } from './resources/resources.ts';
import { validateWrite, type WriteRules } from './writes/validate-write.ts';

export interface Fault {
  readonly resource_type: string;
  readonly resource_id?: unknown;
  /** Of the item in its list, from 0. */
  readonly index?: number;
  readonly error: string;
}

/** Members of a whole configuration; the list of plugins that are on is one of them. */
export const CONFIG_KINDS = [...COLLECTIONS, 'plugins'] as const;

/**
 * Checks a whole configuration, `{"routes":[…],"services":[…],…}`, and stores nothing; references
 * are not followed, and other members are nobody's. 200, or 400 with every fault. Source:
 * apisix/admin/config_validate.lua, which takes YAML too.
 */
export function validateConfigs(body: unknown, plugins: PluginSets, rules: WriteRules): Answer {
  if (body === undefined) return refusal(400, 'invalid request body: empty request body');
  if (!isJsonObject(body)) return refusal(400, 'invalid request body: expected an object');
  const errors = CONFIG_KINDS.flatMap((kind) => [
    ...versionFaults(kind, body[versionKey(kind)] ?? undefined),
    ...(kind === 'plugins' || isNothing(body[kind])
      ? []
      : findFaults(kind, body[kind], { plugins, rules })),
  ]);
  if (errors.length === 0) return { status: 200, body: {} };
  return { status: 400, body: { error_msg: 'Configuration validation failed', errors } };
}

/** The member that says which version of a kind it is. */
export function versionKey(kind: string): string {
  return `${kind}_conf_version`;
}

/** Lua has one empty table. */
export function isNothing(items: unknown): boolean {
  const isEmpty = isJsonObject(items) && Object.keys(items).length === 0;
  return items === undefined || items === null || isEmpty;
}

function versionFaults(kind: string, version: unknown): Fault[] {
  if (version === undefined || typeof version === 'number') return [];
  const error = `${versionKey(kind)} must be a number, got ${typeof version}`;
  return [{ resource_type: kind, error }];
}

export interface Against {
  readonly plugins: PluginSets;
  readonly rules: WriteRules;
}

/** What is wrong with the items of one kind, in their order. */
export function findFaults(kind: string, items: unknown, against: Against): Fault[] {
  if (!Array.isArray(items)) return [{ resource_type: kind, error: `${kind} must be a list` }];
  const seen = new Set<unknown>();
  return items.flatMap((item: unknown, index) => {
    const value: JsonObject = isJsonObject(item) ? item : {};
    const { id, username } = value;
    const resource_id = id ?? username ?? '';
    const own = id ?? (kind === 'consumers' ? username : undefined);
    const errors = [
      isJsonObject(item) ? itemFault(kind, value, against) : 'expected an object',
      own !== undefined && seen.has(own) ? duplicateFault(kind, value) : undefined,
    ];
    seen.add(own);
    return errors.flatMap((error) =>
      error === undefined ? [] : [{ resource_type: kind, resource_id, index, error }],
    );
  });
}

function itemFault(
  kind: string,
  value: JsonObject,
  { plugins: { current, definitions }, rules }: Against,
): string | undefined {
  const resource = findResource(kindOf(kind, value));
  if (resource === undefined) return `Unsupported resource type: ${kind}`;
  const { id } = value;
  const isId = typeof id === 'string' || typeof id === 'number';
  const own = resource.idSource === 'username' ? value['username'] : id;
  // the schema takes it where a string may stand
  if (typeof own === 'string' && isSecretReference(own)) {
    return `wrong ${RESOURCE_SINGULAR[resource.kind]} id`;
  }
  if (kind === 'secrets' && !String(id).includes('/')) {
    return `invalid secret id: ${isId ? id : 'nil'}`;
  }
  try {
    validateWrite(resource, {
      id: isId && resource.idSource !== 'username' ? String(id) : undefined,
      value,
      plugins: current,
      definitions,
      rules,
    });
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

/** Credentials stand among the consumers, with the consumer's name in their ids. */
function kindOf(kind: string, { id }: JsonObject): string {
  const isCredential = typeof id === 'string' && id.includes('/credentials/');
  if (kind === 'credentials' || kind === 'graphql_cost_decorations') return '';
  return kind === 'consumers' && isCredential ? 'credentials' : kind;
}

function duplicateFault(kind: string, { id, username }: JsonObject): string {
  const what = kind !== 'consumers' ? 'id' : id === undefined ? 'username' : 'credential id';
  return `found duplicate ${what} ${String(id ?? username)} in ${kind}`;
}
