import { ConfigError } from '@polygate/model';
import { type Answer, refusal } from './answer.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { PluginSets } from './plugins/plugin-sets.ts';
import { findResource } from './resources/resources.ts';
import { validateWrite } from './validate-write.ts';

interface Fault {
  readonly resource_type: string;
  readonly resource_id?: unknown;
  /** Of the item in its list, from 0. */
  readonly index?: number;
  readonly error: string;
}

const VERSION_SUFFIX = '_conf_version';

/**
 * Checks a whole configuration, `{"routes":[…],"services":[…],…}`, and stores nothing; references
 * are not followed. 200, or 400 with every fault. Source: apisix/admin/config_validate.lua, which
 * takes YAML too.
 */
export function validateConfigs(body: unknown, plugins: PluginSets): Answer {
  if (body === undefined) return refusal(400, 'invalid request body: empty request body');
  if (!isJsonObject(body)) return refusal(400, 'invalid request body: expected an object');
  const errors = Object.entries(body).flatMap(([key, value]) =>
    key.endsWith(VERSION_SUFFIX) ? versionFaults(key, value) : listFaults(key, value, plugins),
  );
  if (errors.length === 0) return { status: 200, body: {} };
  return { status: 400, body: { error_msg: 'Configuration validation failed', errors } };
}

function versionFaults(key: string, version: unknown): Fault[] {
  if (typeof version === 'number') return [];
  const error = `${key} must be a number, got ${typeof version}`;
  return [{ resource_type: key.slice(0, -VERSION_SUFFIX.length), error }];
}

function listFaults(kind: string, items: unknown, plugins: PluginSets): Fault[] {
  if (!Array.isArray(items)) return [{ resource_type: kind, error: `${kind} must be a list` }];
  const seen = new Set<unknown>();
  return items.flatMap((item: unknown, index) => {
    const value: JsonObject = isJsonObject(item) ? item : {};
    const { id, username } = value;
    const resource_id = id ?? username ?? '';
    const own = id ?? (kind === 'consumers' ? username : undefined);
    const errors = [
      isJsonObject(item) ? itemFault(kind, value, plugins) : 'expected an object',
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
  { current, definitions }: PluginSets,
): string | undefined {
  const resource = findResource(kind);
  if (resource === undefined) return `Unsupported resource type: ${kind}`;
  const { id } = value;
  const isId = typeof id === 'string' || typeof id === 'number';
  try {
    validateWrite(resource, {
      id: isId && resource.idSource !== 'username' ? String(id) : undefined,
      value,
      plugins: current,
      definitions,
    });
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

function duplicateFault(kind: string, { id, username }: JsonObject): string {
  const what = kind === 'consumers' && id === undefined ? 'username' : 'id';
  return `found duplicate ${what} ${String(id ?? username)} in ${kind}`;
}
