import { compileSchema } from '@polygate/model/json-schema';
import { ErrorCode, type TextEntry } from '@polygate/runner-protocol';
import { CallError } from './call/call-error.ts';
import type { AnyExternalPlugin } from './external-plugin.ts';

/** One plugin with its conf, prepared. */
export interface PreparedPlugin {
  readonly plugin: AnyExternalPlugin;
  readonly conf: unknown;
}

interface KnownPlugin {
  readonly plugin: AnyExternalPlugin;
  /** Checks against the schema and fills in its defaults. */
  readonly check: ((conf: unknown) => void) | undefined;
}

const NAME_LENGTH_MAX = 128;

/** The plugins that a runner serves, by name. */
export class PluginSet {
  readonly #known = new Map<string, KnownPlugin>();

  /** @throws {Error} where one is no plugin, its schema cannot be used, or a name comes twice */
  constructor(plugins: readonly unknown[]) {
    for (const plugin of plugins) {
      requirePlugin(plugin);
      if (this.#known.has(plugin.name)) throw new Error(`two plugins are called ${plugin.name}`);
      this.#known.set(plugin.name, { plugin, check: schemaCheck(plugin) });
    }
  }

  get names(): readonly string[] {
    return Array.from(this.#known.keys());
  }

  /**
   * Fails closed, unlike other runners: they skip a plugin that they do not know or whose conf is
   * bad, and a misspelt auth plugin lets everybody in.
   *
   * @throws {CallError} BAD_REQUEST, with a message for whoever wrote the conf
   */
  prepare(conf: readonly TextEntry[]): readonly PreparedPlugin[] {
    return conf.map(({ name, value = '' }) => this.#prepareOne(name, value));
  }

  #prepareOne(name: string, value: string): PreparedPlugin {
    const known = this.#known.get(name);
    if (known === undefined) throw badConf(`there is no plugin ${JSON.stringify(name)}`);
    const { plugin, check } = known;
    const written = check === undefined ? value : checkedJson(name, value, check);
    if (plugin.prepare === undefined) return { plugin, conf: written };
    try {
      return { plugin, conf: plugin.prepare(written) };
    } catch (cause) {
      throw badConf(`the conf of plugin ${name} is bad: ${textOf(cause)}`, cause);
    }
  }
}

function checkedJson(name: string, value: string, check: (conf: unknown) => void): unknown {
  let conf: unknown;
  try {
    conf = value.trim() === '' ? {} : JSON.parse(value);
  } catch {
    // The parser's own message quotes the text, and a conf may hold secrets.
    throw badConf(`the conf of plugin ${name} is no JSON`);
  }
  try {
    check(conf);
  } catch (cause) {
    throw badConf(`the conf of plugin ${name} is bad: ${textOf(cause)}`);
  }
  return conf;
}

function schemaCheck({ name, schema }: AnyExternalPlugin) {
  if (schema === undefined) return undefined;
  try {
    return compileSchema(schema);
  } catch (cause) {
    throw new Error(`the schema of plugin ${name} cannot be used: ${textOf(cause)}`, { cause });
  }
}

function requirePlugin(value: unknown): asserts value is AnyExternalPlugin {
  if (typeof value !== 'object' || value === null) throw new Error('a plugin must be an object');
  const { name, schema, prepare, request, response } = value as Record<string, unknown>;
  if (typeof name !== 'string' || name === '' || name.length > NAME_LENGTH_MAX) {
    throw new Error(`a plugin needs a name of 1 to ${NAME_LENGTH_MAX} characters`);
  }
  if (schema !== undefined && (typeof schema !== 'object' || schema === null)) {
    throw new Error(`the schema of plugin ${name} is no object`);
  }
  const hooks = Object.entries({ prepare, request, response });
  const wrong = hooks.find(([, hook]) => hook !== undefined && typeof hook !== 'function');
  if (wrong !== undefined) throw new Error(`${wrong[0]} of plugin ${name} is no function`);
  if (request === undefined && response === undefined) {
    throw new Error(`plugin ${name} has neither request nor response`);
  }
}

function badConf(message: string, cause?: unknown): CallError {
  return new CallError(ErrorCode.BAD_REQUEST, message, cause === undefined ? {} : { cause });
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
