import { ConfigError } from '../../errors.ts';
import { compileExpression } from '../../expression/compile-expression.ts';
import { isJsonObject, type JsonObject } from '../../json-value.ts';
import { schemaValidator } from '../../schema/compile-schema.ts';
import type { JsonSchemaObject } from '../../schema/validator.ts';
import { withPluginMeta } from '../plugin-meta.schema.ts';

/** What is needed of a plugin to check its confs; `PluginDefinition` of the SDK has it. */
export interface PluginSchemas {
  readonly name: string;
  readonly schema: JsonSchemaObject;
  /** For confs in consumers; without it these follow `schema`. */
  readonly consumerSchema?: JsonSchemaObject;
  readonly metadataSchema?: JsonSchemaObject;
  readonly type?: 'auth';
  /** Puts what the schema says against a conf into other words, where APISIX does. */
  restate?(conf: Readonly<Record<string, unknown>>, schemaError: string): string;
  /** What the schema cannot say. `plugins`: all that a conf may name. Throws ConfigError. */
  check?(conf: never, plugins: ReadonlyMap<string, PluginSchemas>): void;
  checkConsumer?(conf: never): void;
}

export interface PluginCheckOptions {
  readonly plugins: ReadonlyMap<string, PluginSchemas>;
  /** `skip`: confs of plugins that are not in `plugins` are left as they are. */
  readonly unknownPlugins: 'reject' | 'skip';
}

export interface PluginCheckResult {
  readonly skippedPlugins: readonly string[];
  /** Faults in confs that never run, because `_meta.disable` is set. */
  readonly warnings: readonly string[];
}

/** What the confs stand in, as far as it makes a difference. */
export type PluginHolder = 'consumer' | 'stream' | 'other';

/**
 * Checks the `plugins` of an object and fills in defaults in place. Sources: apisix/plugin.lua,
 * check_single_plugin_schema and stream_check_schema. Throws ConfigError.
 */
export function checkPlugins(
  confs: JsonObject,
  holder: PluginHolder,
  options: PluginCheckOptions,
): PluginCheckResult {
  const skippedPlugins: string[] = [];
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(confs)) {
    if (typeof value !== 'object' || value === null) {
      const text = JSON.stringify(value).replaceAll('/', '\\/');
      throw new ConfigError(`invalid plugin conf ${text} for plugin [${name}]`);
    }
    const plugin = options.plugins.get(name);
    if (plugin === undefined) {
      if (options.unknownPlugins === 'reject') throw new ConfigError(`unknown plugin [${name}]`);
      skippedPlugins.push(name);
      continue;
    }
    const conf = asObject(confs, name, value);
    const warning = checkConf(plugin, conf, holder, options.plugins);
    if (warning !== undefined) warnings.push(warning);
    checkMeta(name, conf['_meta']);
  }
  return { skippedPlugins, warnings };
}

// An empty list is an empty conf: Lua has one empty table. Another list fails in the schema.
function asObject(confs: JsonObject, name: string, value: object): JsonObject {
  if (!Array.isArray(value) || value.length > 0) return value as JsonObject;
  const conf: JsonObject = {};
  confs[name] = conf;
  return conf;
}

function checkConf(
  plugin: PluginSchemas,
  conf: JsonObject,
  holder: PluginHolder,
  plugins: PluginCheckOptions['plugins'],
): string | undefined {
  const forConsumer = holder === 'consumer' && plugin.consumerSchema !== undefined;
  const schema = forConsumer ? plugin.consumerSchema : withPluginMeta(plugin.schema);
  const schemaError = schemaValidator(schema)(conf);
  const error =
    (schemaError === undefined
      ? undefined
      : (plugin.restate?.(conf, schemaError) ?? schemaError)) ??
    ownError(() =>
      forConsumer ? plugin.checkConsumer?.(conf as never) : plugin.check?.(conf as never, plugins),
    );
  if (error === undefined) return undefined;
  const fault = 'failed to check the configuration of';
  const message =
    holder === 'stream'
      ? `${fault} stream plugin [${plugin.name}]: ${error}`
      : `${fault} plugin ${plugin.name} err: ${error}`;
  const meta = conf['_meta'];
  if (isJsonObject(meta) && meta['disable'] === true) return message;
  throw new ConfigError(message);
}

function ownError(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

function checkMeta(name: string, meta: unknown): void {
  if (!isJsonObject(meta)) return;
  const { filter } = meta;
  if (filter !== undefined && filter !== false) checkVars(filter);
  if (meta['pre_function'] === undefined || meta['pre_function'] === false) return;
  throw new ConfigError(
    `failed to load _meta.pre_function in plugin ${name}: Polygate does not run Lua; ` +
      'use an external plugin (ext-plugin-pre-req) or a TypeScript plugin instead',
  );
}

/** Checks an expression as it stands in `vars` and `_meta.filter`. Throws ConfigError. */
export function checkVars(rules: unknown): void {
  const error = ownError(() => void compileExpression(rules));
  if (error !== undefined) {
    throw new ConfigError(`failed to validate the 'vars' expression: ${error}`);
  }
}
