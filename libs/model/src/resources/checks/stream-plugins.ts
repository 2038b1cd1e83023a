import type { JsonSchemaObject } from '../../schema/validator.ts';
import type { PluginSchemas } from './check-plugins.ts';

/** What stream routes may have. It is checked and stored, for APISIX to run. */
export interface StreamPlugin extends PluginSchemas {
  readonly version: number;
  readonly priority: number;
}

/** Sources: apisix/stream/plugins, of those that take other confs there than in HTTP. */
const OWN: readonly StreamPlugin[] = [
  {
    name: 'limit-conn',
    version: 0.1,
    priority: 1003,
    schema: {
      type: 'object',
      properties: {
        conn: { type: 'integer', exclusiveMinimum: 0 },
        burst: { type: 'integer', minimum: 0 },
        default_conn_delay: { type: 'number', exclusiveMinimum: 0 },
        only_use_default_delay: { type: 'boolean', default: false },
        key: { type: 'string' },
        key_type: { type: 'string', enum: ['var', 'var_combination'], default: 'var' },
      },
      required: ['conn', 'burst', 'default_conn_delay', 'key'],
    },
  },
  {
    name: 'mqtt-proxy',
    version: 0.1,
    priority: 1000,
    schema: {
      type: 'object',
      properties: {
        protocol_name: { type: 'string', default: 'MQTT' },
        protocol_level: { type: 'integer' },
      },
      required: ['protocol_level'],
    },
  },
  {
    name: 'prometheus',
    version: 0.1,
    priority: 500,
    schema: { type: 'object', properties: { prefer_name: { type: 'boolean', default: false } } },
  },
];
/** They take what they take in HTTP. */
const AS_IN_HTTP: readonly string[] = ['ip-restriction', 'traffic-split'];

/**
 * Those of `names` that there are, highest priority first. `definitions`: of the plugins for HTTP;
 * some are both.
 */
export function streamPlugins(
  names: readonly string[],
  definitions: ReadonlyMap<string, StreamPlugin>,
): ReadonlyMap<string, StreamPlugin> {
  const both = AS_IN_HTTP.flatMap((name) => definitions.get(name) ?? []);
  const syslog = definitions.get('syslog');
  const all = [...OWN, ...both, ...(syslog === undefined ? [] : [syslogOfStreams(syslog)])];
  const listed = all.filter(({ name }) => names.includes(name));
  listed.sort((a, b) => b.priority - a.priority);
  return new Map(listed.map((plugin) => [plugin.name, plugin]));
}

/** There are no bodies in a stream; its batches have another name. */
function syslogOfStreams({ name, version, priority, schema }: StreamPlugin): StreamPlugin {
  const { properties = {} } = schema as { properties?: Readonly<Record<string, JsonSchemaObject>> };
  const kept = Object.entries(properties).filter(
    ([key]) => key !== 'log_format_extra' && !key.includes('_body'),
  );
  return {
    name,
    version,
    priority,
    schema: {
      ...schema,
      properties: {
        ...(Object.fromEntries(kept) as object),
        name: { type: 'string', default: 'stream sys logger' },
      },
    },
  };
}
