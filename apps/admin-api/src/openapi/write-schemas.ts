import {
  RESOURCE_SINGULAR,
  type ResourceKind,
  resourceSchema,
  SECRET_MANAGER_SCHEMAS,
  UPSTREAM_SCHEMA,
  withPluginMeta,
} from '@polygate/model';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { PluginSet } from '../plugins/plugin-set.ts';
import type { Resource } from '../resources/resource.ts';
import { convertSchema, type NamedSchemas, schemaRef } from './convert-schema.ts';

/** What the schema of a kind has and no write may hold: times are set here, and Lua is not run. */
const NEVER_WRITTEN = ['create_time', 'update_time', 'script', 'script_id', 'filter_func'];

/** Which component a kind's `plugins` are. */
const HOLDER: Readonly<Partial<Record<ResourceKind, string>>> = {
  consumers: 'ConsumerPlugins',
  credentials: 'CredentialPlugins',
  stream_routes: 'StreamPlugins',
};

/** `Route`, `ConsumerGroup` …: the component that says what may be written. */
export function componentName(kind: ResourceKind): string {
  const words = RESOURCE_SINGULAR[kind].split(/[ _]/);
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

/**
 * `components/schemas` for everything that may be written, from the schemas that writes are checked
 * with. `plugins` undefined: the confs of plugins are objects and no more.
 */
export function writeSchemas(
  resources: readonly Resource[],
  plugins: PluginSet | undefined,
): JsonObject {
  const named = new Map<object, string>([[UPSTREAM_SCHEMA, 'Upstream']]);
  const schemas: JsonObject = plugins === undefined ? anyPlugins() : pluginSchemas(plugins, named);
  for (const { kind } of resources) {
    const name = componentName(kind);
    if (kind === 'secrets') schemas[name] = secretSchema();
    else if (kind === 'plugin_metadata') schemas[name] = metadataSchema(plugins);
    else schemas[name] = resourceComponent(kind, named);
    if (kind !== 'secrets' && kind !== 'plugin_metadata') {
      schemas[`Stored${name}`] = storedSchema(schemas[name] as JsonObject, kind);
    }
  }
  return schemas;
}

function resourceComponent(kind: ResourceKind, named: NamedSchemas): JsonObject {
  const schema = convertSchema(resourceSchema(kind), named) as JsonObject;
  const properties = schema['properties'] as JsonObject;
  for (const name of NEVER_WRITTEN) delete properties[name];
  // the path has it, as the id
  if (kind === 'graphql_cost_decorations') delete properties['service_id'];
  if (properties['plugins'] !== undefined) {
    properties['plugins'] = schemaRef(HOLDER[kind] ?? 'Plugins');
  }
  const { required, anyOf, not } = schema;
  const names = Array.isArray(required)
    ? required.filter((name) => name !== 'id' && name !== 'service_id')
    : [];
  if (names.length > 0) schema['required'] = names;
  else delete schema['required'];
  if (Array.isArray(anyOf)) schema['anyOf'] = anyOf.filter(isWritable);
  if (isJsonObject(not) && Array.isArray(not['anyOf']) && !not['anyOf'].some(isWritable)) {
    delete schema['not'];
  }
  return schema;
}

function isWritable(alternative: unknown): boolean {
  const required = isJsonObject(alternative) ? alternative['required'] : undefined;
  return !Array.isArray(required) || !required.some((name) => NEVER_WRITTEN.includes(String(name)));
}

/** As it is shown: what an earlier version or APISIX itself wrote may break the rules of today. */
function storedSchema({ properties }: JsonObject, kind: ResourceKind): JsonObject {
  const time = { type: 'integer', description: 'seconds since 1970' };
  const shown = { ...(properties as JsonObject), create_time: time, update_time: time };
  if ('plugins' in shown) Object.assign(shown, { plugins: { type: ['object', 'array'] } });
  if (kind === 'ssls') {
    delete (shown as JsonObject)['key'];
    delete (shown as JsonObject)['keys'];
  }
  return { type: 'object', properties: shown };
}

function secretSchema(): JsonObject {
  const managers = [...SECRET_MANAGER_SCHEMAS].map(([title, schema]) => ({
    title,
    ...(convertSchema(schema) as JsonObject),
  }));
  return { description: 'by the manager in the path', anyOf: managers };
}

function metadataSchema(plugins: PluginSet | undefined): JsonObject {
  const names = [...(plugins?.enabled.values() ?? [])]
    .filter(({ metadataSchema: schema }) => schema !== undefined)
    .map(({ name }) => schemaRef(`plugin.${name}.metadata`));
  return {
    description: 'by the plugin in the path; any object for one that has no metadata of its own',
    type: 'object',
    ...(names.length > 0 && { anyOf: [...names, { type: 'object' }] }),
  };
}

function anyPlugins(): JsonObject {
  const any = { type: 'object', additionalProperties: { type: 'object' } };
  return {
    Plugins: any,
    ConsumerPlugins: any,
    CredentialPlugins: { ...any, maxProperties: 1 },
    StreamPlugins: any,
  };
}

/** One component for each schema of each plugin, and one for each set that may stand somewhere. */
function pluginSchemas(plugins: PluginSet, named: NamedSchemas): JsonObject {
  const schemas: JsonObject = {};
  const [any, consumer, auth, stream]: JsonObject[] = [{}, {}, {}, {}];
  for (const [name, definition] of plugins.enabled) {
    const { schema, consumerSchema, metadataSchema: metadata, type } = definition;
    schemas[`plugin.${name}`] = convertSchema(withPluginMeta(schema), named);
    Object.assign(any as JsonObject, { [name]: schemaRef(`plugin.${name}`) });
    if (consumerSchema !== undefined) {
      schemas[`plugin.${name}.consumer`] = convertSchema(consumerSchema, named);
    }
    if (metadata !== undefined) {
      schemas[`plugin.${name}.metadata`] = convertSchema(metadata, named);
    }
    const ofConsumer = consumerSchema === undefined ? `plugin.${name}` : `plugin.${name}.consumer`;
    Object.assign(consumer as JsonObject, { [name]: schemaRef(ofConsumer) });
    if (type === 'auth') Object.assign(auth as JsonObject, { [name]: schemaRef(ofConsumer) });
  }
  for (const [name, { schema }] of plugins.enabledForStreams) {
    schemas[`stream-plugin.${name}`] = convertSchema(withPluginMeta(schema), named);
    Object.assign(stream as JsonObject, { [name]: schemaRef(`stream-plugin.${name}`) });
  }
  const only = (properties: unknown) => ({
    type: 'object',
    properties,
    additionalProperties: false,
  });
  return {
    ...schemas,
    Plugins: only(any),
    ConsumerPlugins: only(consumer),
    CredentialPlugins: { ...only(auth), maxProperties: 1 },
    StreamPlugins: only(stream),
  };
}
