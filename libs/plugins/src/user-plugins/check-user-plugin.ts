import { compileSchema } from '@polygate/model';
import { PHASES } from '@polygate/plugin-sdk';
import type { Plugin, PluginDefinition } from '@polygate/plugin-sdk';

const FUNCTIONS = [...PHASES, 'prepare', 'runsIn', 'dispose', 'publicApis'] as const;

/** What a user's code file exports, as a plugin. Throws an Error that says what it lacks. */
export function checkUserPlugin(name: string, exported: unknown): Plugin {
  if (typeof exported !== 'object' || exported === null) {
    throw new Error('its code has no default export made by definePlugin');
  }
  const plugin = exported as Plugin;
  checkUserDefinition(name, plugin.definition);
  const wrong = FUNCTIONS.find(
    (member) => plugin[member] !== undefined && typeof plugin[member] !== 'function',
  );
  if (wrong !== undefined) throw new Error(`${wrong} is no function`);
  const runs = PHASES.some((phase) => plugin[phase] !== undefined);
  if (!runs && plugin.publicApis === undefined) {
    throw new Error(`it has none of ${PHASES.join(', ')}, publicApis`);
  }
  return plugin;
}

/** Throws an Error that says which member breaks which rule. */
export function checkUserDefinition(name: string, definition: unknown): PluginDefinition {
  if (typeof definition !== 'object' || definition === null) {
    throw new Error('it has no definition');
  }
  const one = definition as PluginDefinition;
  if (one.name !== name) {
    throw new Error(`its definition is of ${JSON.stringify(one.name)}, its file of "${name}"`);
  }
  if (!Number.isFinite(one.version)) throw new Error('definition.version is no number');
  if (!Number.isSafeInteger(one.priority)) {
    throw new Error('definition.priority is no whole number');
  }
  // what is not there from JavaScript's side
  const { type, scope, runPolicy } = one as { type?: string; scope?: string; runPolicy?: string };
  checkWord('type', type, 'auth');
  checkWord('scope', scope, 'global');
  checkWord('runPolicy', runPolicy, 'prefer_route');
  if (type === 'auth' && one.consumerSchema === undefined) {
    throw new Error('definition.consumerSchema is missing, as type is "auth"');
  }
  if (one.schema === undefined) throw new Error('definition.schema is missing');
  for (const member of ['schema', 'consumerSchema', 'metadataSchema'] as const) {
    checkSchema(member, one[member]);
  }
  return one;
}

function checkWord(member: string, value: string | undefined, allowed: string): void {
  if (value === undefined || value === allowed) return;
  throw new Error(`definition.${member} can only be "${allowed}"`);
}

function checkSchema(member: string, schema: PluginDefinition['schema'] | undefined): void {
  if (schema === undefined) return;
  if (typeof schema !== 'object' || schema === null) {
    throw new Error(`definition.${member} is no object`);
  }
  const { properties } = schema as { properties?: Readonly<Record<string, unknown>> };
  if (properties !== undefined && Object.hasOwn(properties, '_meta')) {
    throw new Error(`definition.${member} defines _meta, which is the gateway's`);
  }
  try {
    compileSchema(schema);
  } catch (error) {
    throw new Error(`definition.${member}: ${(error as Error).message}`, { cause: error });
  }
}
