import {
  CHASH_KEY_SCHEMAS,
  RESOURCE_KINDS,
  RESOURCE_SINGULAR,
  resourceSchema,
  withPluginMeta,
} from '@polygate/model';
import type { ResourceKind, StreamPlugin } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

/** Kinds that have no schema in apisix/schema_def.lua, but one by plugin or manager. */
const NOT_SHOWN: readonly ResourceKind[] = ['plugin_metadata', 'credentials', 'secrets'];

/** `/plugins` of the store; apisix/schema_def.lua. */
const PLUGIN_LIST_SCHEMA = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1 },
      stream: { type: 'boolean' },
    },
    required: ['name'],
  },
} as const;

/** `GET /v1/schema`, in the shape of `_M.schema` in apisix/control/v1.lua. */
export function describeSchemas(
  plugins: readonly PluginDefinition[],
  streamPlugins: readonly StreamPlugin[],
): object {
  const kinds = RESOURCE_KINDS.filter((kind) => !NOT_SHOWN.includes(kind)).map((kind) => [
    RESOURCE_SINGULAR[kind].replaceAll(' ', '_'),
    resourceSchema(kind),
  ]);
  return {
    main: {
      ...(Object.fromEntries(kinds) as object),
      plugins: PLUGIN_LIST_SCHEMA,
      upstream_hash_header_schema: CHASH_KEY_SCHEMAS.header,
      upstream_hash_vars_schema: CHASH_KEY_SCHEMAS.vars,
    },
    plugins: byName(plugins),
    stream_plugins: byName(streamPlugins),
  };
}

type Described = StreamPlugin & Pick<PluginDefinition, 'scope'>;

function byName(plugins: readonly Described[]): object {
  return Object.fromEntries(plugins.map((plugin) => [plugin.name, describe(plugin)]));
}

function describe(plugin: Described): object {
  return {
    version: plugin.version,
    priority: plugin.priority,
    schema: withPluginMeta(plugin.schema),
    metadata_schema: plugin.metadataSchema,
    consumer_schema: plugin.consumerSchema,
    type: plugin.type,
    scope: plugin.scope,
  };
}
