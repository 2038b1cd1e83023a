import { IpSet } from '../address/ip-set.ts';
import type { Keyring } from '../encryption/text-encryption.ts';
import { ConfigError } from '../errors.ts';
import { cloneJson, freeze, isJsonObject, type JsonObject } from '../json-value.ts';
import { schemaValidator } from '../schema/compile-schema.ts';
import {
  checkPlugins,
  checkVars,
  type PluginCheckOptions,
  type PluginCheckResult,
} from './checks/check-plugins.ts';
import { checkPostArgs } from './checks/check-post-args.ts';
import { checkProto } from './checks/check-proto.ts';
import { checkSecret } from './checks/check-secret.ts';
import { checkSsl } from './checks/check-ssl.ts';
import { checkStreamRoute } from './checks/check-stream-route.ts';
import { checkNodeHosts, checkUpstream } from './checks/check-upstream.ts';
import type { ResourceKind } from './kinds.ts';
import { PLUGIN_METADATA_SCHEMA } from './plugin-metadata.schema.ts';
import { resourceSchema } from './resource-schema.ts';
import type { ResourceTypes } from './resource-types.ts';

export interface ValidateOptions extends PluginCheckOptions {
  /** False leaves the confs of plugins unread. Default true. */
  readonly checkPlugins?: boolean;
  /** plugin_metadata only: the plugin's name; default the value's own `id`. */
  readonly pluginName?: string;
  /** secrets only: `<manager>/<id>`; default the value's own `id`. */
  readonly secretId?: string;
  /**
   * The object comes out of the store. APISIX's data plane then takes IPv6 hosts without brackets, and
   * client certificates of routes and services that cannot be read: requests are answered 503.
   */
  readonly isStored?: boolean;
  /** What encrypted private keys are read with. */
  readonly keyring?: Keyring;
  /** stream_routes only: the names in `xrpc.protocols` of the configuration file. */
  readonly streamProtocols?: ReadonlySet<string>;
}

export interface ValidatedResource<K extends ResourceKind = ResourceKind> {
  /** A copy with defaults filled in, frozen through and through. */
  readonly value: ResourceTypes[K];
  /** Names of plugins that are not known, when these are skipped. */
  readonly skippedPlugins: readonly string[];
  /** Faults in confs of disabled plugins, which APISIX logs and accepts. */
  readonly warnings: readonly string[];
}

const NOTHING_FOUND: PluginCheckResult = { skippedPlugins: [], warnings: [] };

/**
 * Checks one configuration object as the Admin API of APISIX does, apart from its id, timestamps
 * and references to other objects. The value itself is not changed.
 * Sources: check_conf in apisix/admin/*.lua. Throws ConfigError with APISIX's message.
 */
export function validateResource<K extends ResourceKind>(
  kind: K,
  value: unknown,
  options: ValidateOptions,
): ValidatedResource<K> {
  // Lua has one empty table.
  const isEmptyList = Array.isArray(value) && value.length === 0;
  const copy: unknown = isEmptyList ? {} : cloneJson(value);
  const found =
    kind === 'plugin_metadata' ? checkMetadata(copy, options) : check(kind, copy, options);
  return { value: freeze(copy) as ResourceTypes[K], ...found };
}

function check(kind: ResourceKind, value: unknown, options: ValidateOptions): PluginCheckResult {
  if (kind === 'routes') checkExclusiveFields(value);
  if (kind === 'upstreams' && options.isStored !== true) checkNodeHosts(value);
  checkSchema(kind, value);
  if (kind === 'secrets') checkSecret(value, options.secretId);
  // the schema has made sure of it
  const resource = value as JsonObject;
  return kind === 'routes' || kind === 'services'
    ? checkProxied(kind, resource, options)
    : checkOther(kind, resource, options);
}

/** What holds for one kind each, besides its plugins. */
function checkOther(
  kind: ResourceKind,
  resource: JsonObject,
  options: ValidateOptions,
): PluginCheckResult {
  const { keyring = [], streamProtocols = new Set() } = options;
  if (kind === 'upstreams') checkUpstream(resource, keyring);
  if (kind === 'ssls') checkSsl(resource, keyring);
  if (kind === 'protos') checkProto(String(resource['content']));
  const found = checkPluginsOf(kind, resource, options);
  if (kind === 'credentials') checkAuthOnly(resource, options);
  if (kind === 'stream_routes') checkStreamRoute(resource, streamProtocols);
  return found;
}

function checkProxied(
  kind: ResourceKind,
  resource: JsonObject,
  options: ValidateOptions,
): PluginCheckResult {
  const { upstream } = resource;
  if (isJsonObject(upstream)) {
    const isStored = options.isStored === true;
    if (!isStored) checkNodeHosts(upstream);
    checkUpstream(upstream, isStored ? undefined : (options.keyring ?? []));
  }
  checkClients(resource);
  const found = checkPluginsOf(kind, resource, options);
  if (resource['vars'] !== undefined) {
    checkVars(resource['vars']);
    checkPostArgs(resource['vars']);
  }
  refuseLua(resource);
  return found;
}

/** The schema's patterns take more than is an address, and a route with one could not be served. */
function checkClients({ remote_addr: one, remote_addrs: many }: JsonObject): void {
  const entries = Array.isArray(many) ? (many as string[]) : [one].filter(isText);
  try {
    void new IpSet(entries);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const field = Array.isArray(many) ? 'remote_addrs' : 'remote_addr';
    const message = `property "${field}" validation failed: ${error.message}`;
    throw new ConfigError(`invalid configuration: ${message}`, { cause: error });
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function checkExclusiveFields(value: unknown): void {
  if (!isJsonObject(value)) return;
  const isSet = (name: string): boolean => value[name] !== undefined && value[name] !== false;
  for (const [one, other] of [
    ['host', 'hosts'],
    ['remote_addr', 'remote_addrs'],
  ] as const) {
    if (isSet(one) && isSet(other)) {
      throw new ConfigError(`only one of ${one} or ${other} is allowed`);
    }
  }
}

function checkSchema(kind: ResourceKind, value: unknown): void {
  const error = schemaValidator(resourceSchema(kind))(value);
  if (error !== undefined) throw new ConfigError(`invalid configuration: ${error}`);
}

function checkPluginsOf(
  kind: ResourceKind,
  resource: JsonObject,
  options: ValidateOptions,
): PluginCheckResult {
  const confs = resource['plugins'];
  if (!isJsonObject(confs) || options.checkPlugins === false) return NOTHING_FOUND;
  if (kind === 'stream_routes') return checkPlugins(confs, 'stream', options);
  if (kind !== 'consumers' && kind !== 'credentials') return checkPlugins(confs, 'other', options);
  try {
    return checkPlugins(confs, 'consumer', options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`invalid plugins configuration: ${error.message}`, { cause: error });
  }
}

/** Sources: apisix/admin/credentials.lua. A plugin that is not known may be any. */
function checkAuthOnly({ plugins }: JsonObject, options: ValidateOptions): void {
  if (!isJsonObject(plugins)) return;
  for (const name of Object.keys(plugins)) {
    const plugin = options.plugins.get(name);
    if (plugin === undefined || plugin.type === 'auth') continue;
    throw new ConfigError('only supports auth type plugins in consumer credential');
  }
}

function refuseLua(resource: JsonObject): void {
  if (resource['filter_func'] !== undefined) {
    throw new ConfigError(
      "failed to load 'filter_func' string: Polygate does not run Lua; " +
        "use 'vars' for conditions on the request instead",
    );
  }
  for (const name of ['script', 'script_id']) {
    if (resource[name] === undefined) continue;
    throw new ConfigError(
      `failed to load '${name}' string: Polygate does not run Lua; ` +
        'use a TypeScript plugin or an external plugin instead',
    );
  }
}

/** Sources: apisix/admin/plugin_metadata.lua, apisix/plugin.lua check_plugin_metadata. */
function checkMetadata(value: unknown, options: ValidateOptions): PluginCheckResult {
  const ownId = isJsonObject(value) ? value['id'] : undefined;
  const name = options.pluginName ?? ownId;
  if (typeof name !== 'string') throw new ConfigError('missing plugin name');
  const plugin = options.plugins.get(name);
  if (plugin === undefined) {
    if (options.unknownPlugins === 'reject') throw new ConfigError('invalid plugin name');
    return { skippedPlugins: [name], warnings: [] };
  }
  if (options.checkPlugins === false) return NOTHING_FOUND;
  // The store adds the id; a plugin's schema that forbids more properties does not know it.
  if (isJsonObject(value)) delete value['id'];
  const error = schemaValidator(plugin.metadataSchema ?? PLUGIN_METADATA_SCHEMA)(value);
  if (error !== undefined) throw new ConfigError(`invalid configuration: ${error}`);
  if (ownId !== undefined) (value as JsonObject)['id'] = ownId;
  return NOTHING_FOUND;
}
