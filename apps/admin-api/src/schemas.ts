import {
  compileSchema,
  ConfigError,
  RESOURCE_KINDS,
  RESOURCE_SINGULAR,
  type ResourceKind,
  resourceSchema,
  withPluginMeta,
} from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { type Answer, refusal } from './answer.ts';

/** `route`, `plugin_config` …: the names of apisix/schema_def.lua, which has none for secrets. */
const KIND_BY_SCHEMA_NAME = new Map<string, ResourceKind>(
  RESOURCE_KINDS.filter((kind) => kind !== 'secrets').map((kind) => [
    RESOURCE_SINGULAR[kind].replaceAll(' ', '_'),
    kind,
  ]),
);

export const SCHEMA_NAMES: readonly string[] = [...KIND_BY_SCHEMA_NAME.keys()];

export function describeSchema(name: string): Answer {
  const kind = KIND_BY_SCHEMA_NAME.get(name);
  if (kind === undefined) return refusal(400, `not found schema: ${name}`);
  return { status: 200, body: resourceSchema(kind) };
}

/** With `_meta`, as each plugin's conf may have it. */
export function pluginSchema({ schema }: Pick<PluginDefinition, 'schema'>): object {
  return withPluginMeta(schema);
}

/**
 * Checks an object by the schema of its kind alone: neither plugins nor references are looked at.
 * Source: schema_validate in apisix/admin/init.lua.
 */
export function validateAgainstSchema(kind: string, value: unknown): Answer {
  const known = RESOURCE_KINDS.find((one) => one === kind);
  if (known === undefined) return refusal(404, `Unsupported resource type: ${kind}`);
  try {
    compileSchema(resourceSchema(known))(value);
    return { status: 200 };
  } catch (error) {
    if (error instanceof ConfigError) return refusal(400, error.message);
    throw error;
  }
}
