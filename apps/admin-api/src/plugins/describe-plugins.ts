import type { StreamPlugin } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { type Answer, refusal } from '../answer.ts';
import type { Arguments } from '../listing.ts';
import { pluginSchema } from '../schemas.ts';
import type { PluginSet } from './plugin-set.ts';
import type { PluginSets } from './plugin-sets.ts';

/** Names by priority. */
export function listPlugins(
  { names, enabledForStreams }: PluginSet,
  { subsystem = 'http' }: Arguments,
): Answer {
  if (subsystem === 'http') return { status: 200, body: names };
  if (subsystem === 'stream') return { status: 200, body: [...enabledForStreams.keys()] };
  return { status: 400, body: 'invalid subsystem passed' };
}

/** One enabled plugin's schema, or with `?all=true` what there is to know of all of them. */
export function describePlugins(
  { current }: PluginSets,
  name: string | undefined,
  args: Arguments,
): Answer {
  const subsystem = args['subsystem'] ?? 'http';
  if (subsystem !== 'http' && subsystem !== 'stream') {
    return refusal(400, `unsupported subsystem: ${subsystem}`);
  }
  const enabled: ReadonlyMap<string, Described> =
    subsystem === 'http' ? current.enabled : current.enabledForStreams;
  if (args['all'] === 'true') {
    const all = Array.from(enabled.values(), (definition) => [
      definition.name,
      describe(definition),
    ]);
    return { status: 200, body: Object.fromEntries(all) as object };
  }

  const definition = enabled.get(name ?? '');
  if (definition === undefined) return refusal(404, `plugin not found in subsystem ${subsystem}`);
  if (args['schema_type'] !== 'consumer') return { status: 200, body: pluginSchema(definition) };
  const { consumerSchema } = definition;
  return consumerSchema === undefined
    ? refusal(400, 'not found schema')
    : { status: 200, body: consumerSchema };
}

type Described = StreamPlugin & Pick<PluginDefinition, 'scope'>;

function describe(definition: Described): object {
  return {
    version: definition.version,
    priority: definition.priority,
    schema: pluginSchema(definition),
    metadata_schema: definition.metadataSchema,
    consumer_schema: definition.consumerSchema,
    type: definition.type,
    scope: definition.scope,
  };
}
