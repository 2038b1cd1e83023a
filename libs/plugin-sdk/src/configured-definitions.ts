import type { PluginDefinition } from './plugin.ts';

/** A place for answers that a plugin keeps. */
export interface CacheZone {
  readonly name: string;
  readonly memoryBytes: number;
  /** Undefined: in memory. */
  readonly disk:
    | {
        /** Absolute. */
        readonly path: string;
        /** Characters of each level of folders, as [1, 2]. */
        readonly levels: readonly number[];
        readonly bytesMax: number;
      }
    | undefined;
}

/** What the configuration file says that plugins go by, whatever their conf. */
export interface GatewaySettings {
  readonly proxyCache: {
    /** How long an answer on disk is good that does not say so itself. */
    readonly ttlMs: number;
    readonly zones: readonly CacheZone[];
  };
  /** The header that tells of the client's address, as `X-Real-IP`. */
  readonly realIpHeader: string;
  /** Whether functions in JavaScript may be run. */
  readonly serverlessJavaScript: boolean;
  /** `graphql.max_size`. */
  readonly graphqlBytesMax: number;
}

/** The same definitions, whose checks know what the configuration file says. */
export function configuredDefinitions(
  definitions: ReadonlyMap<string, PluginDefinition>,
  settings: GatewaySettings,
): ReadonlyMap<string, PluginDefinition> {
  return new Map([...definitions].map(([name, one]) => [name, configured(one, settings)]));
}

function configured(definition: PluginDefinition, settings: GatewaySettings): PluginDefinition {
  if (definition.check === undefined) return definition;
  return {
    ...definition,
    check: (conf, plugins) => definition.check?.(conf, plugins, settings),
  };
}
