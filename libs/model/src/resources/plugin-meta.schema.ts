import type { JsonSchemaObject } from '../schema/validator.ts';

/** `_meta` in any plugin's conf. Sources: apisix/schema_def.lua, `_M.plugin_injected_schema`. */
export const PLUGIN_META_SCHEMA = {
  type: 'object',
  properties: {
    disable: { type: 'boolean' },
    error_response: { oneOf: [{ type: 'string' }, { type: 'object' }] },
    priority: { description: 'priority of plugins by customized order', type: 'integer' },
    filter: {
      description: 'filter determines whether the plugin needs to be executed at runtime',
      type: 'array',
    },
    pre_function: {
      description:
        'function to be executed in each phase before execution of plugins. The pre_function' +
        ' will have access to two arguments: `conf` and `ctx`.',
      type: 'string',
    },
  },
  additionalProperties: false,
} as const;

const injected = new WeakMap<JsonSchemaObject, JsonSchemaObject>();

/**
 * A plugin's schema with `_meta` among its properties, as the Admin API serves it and as confs are
 * checked. The same object for the same schema. Sources: apisix/plugin.lua, load_plugin.
 */
export function withPluginMeta(schema: JsonSchemaObject): JsonSchemaObject {
  const known = injected.get(schema);
  if (known !== undefined) return known;
  const result = {
    ...schema,
    $comment: 'this is a mark for our injected plugin schema',
    properties: {
      ...(schema['properties'] as JsonSchemaObject | undefined),
      _meta: PLUGIN_META_SCHEMA,
    },
  };
  injected.set(schema, result);
  return result;
}
