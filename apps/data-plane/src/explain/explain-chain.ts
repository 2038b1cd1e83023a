import type { PluginConfs } from '@polygate/model';
import { PHASES } from '@polygate/plugin-sdk';
import type { Variables } from '@polygate/plugin-sdk';
import type { ConfigItem } from '../config/config-item.ts';
import { originOf } from '../config/prepared-plugins.ts';
import type { PluginChain, PreparedPlugin } from '../pipeline/plugin-chain.ts';

/** A conf's place. The conf itself is added by the main thread, which has it as it was written. */
export interface ConfPlace {
  /** As `route/1`. */
  readonly from: string;
}

export interface ExplainedPlugin extends ConfPlace {
  readonly name: string;
  readonly priority: number;
  /** Those it has a handler in, in order of execution. */
  readonly phases: readonly string[];
  /** Whether `_meta.filter` lets it run; absent without a filter. */
  readonly filter_holds?: boolean;
  /** Confs of the same plugin that this one took the place of, the weakest first. */
  readonly overrides: readonly ConfPlace[];
}

export interface LeftOutPlugin extends ConfPlace {
  readonly name: string;
  readonly reason: string;
}

/** The plugins of a chain in order of execution. `layers`: where they may come from, weakest first. */
export function explainPlugins(
  chain: PluginChain,
  layers: readonly (ConfigItem | undefined)[],
  vars: Variables,
): ExplainedPlugin[] {
  return chain.plugins.map((plugin) => ({
    name: plugin.name,
    priority: plugin.priority,
    from: plugin.origin,
    phases: PHASES.filter((phase) => plugin.handlers[phase] !== undefined).map(wireName),
    ...(plugin.filter !== undefined && { filter_holds: holds(plugin.filter, vars) }),
    overrides: placesOf(plugin.name, layers).filter(({ from }) => from !== plugin.origin),
  }));
}

interface LeftOutRules {
  readonly isLoaded: (plugin: string) => boolean;
  /** Global rules: layers do not overrule each other. */
  readonly isOnceOnly?: boolean;
}

/** Confs that stand in the layers, but not in the chain. */
export function explainLeftOut(
  chain: PluginChain,
  layers: readonly (ConfigItem | undefined)[],
  { isLoaded, isOnceOnly = false }: LeftOutRules,
): LeftOutPlugin[] {
  const running = new Set(chain.plugins.map(({ name }) => name));
  const names = new Set(layers.flatMap((layer) => Object.keys(pluginsOf(layer))));
  return [...names]
    .filter((name) => !running.has(name))
    .map((name) => {
      const places = placesOf(name, layers);
      const { from } = places.at(-1) as ConfPlace;
      if (!isLoaded(name)) return { name, from, reason: 'the plugin is not enabled' };
      if (!isOnceOnly || places.length === 1) return { name, from, reason: '_meta.disable' };
      return { name, from, reason: 'it stands in several global rules, and runs in none' };
    });
}

/**
 * What runs in each phase, in order, as in request-phases.ts: global rules first; rewrite with the
 * route's own chain, the rest with the consumer's, and between them the rewrite handlers that only
 * the consumer brought.
 */
export function explainPhases(
  globalRules: PluginChain,
  routeChain: PluginChain,
  chain: PluginChain,
): Record<string, readonly PluginPlace[]> {
  const phases = PHASES.flatMap((phase) => {
    const own = phase === 'rewrite' ? routeChain : chain;
    const steps = [phase, [...globalRules[phase], ...own[phase]]] as const;
    return phase === 'rewrite'
      ? [steps, ['rewriteInConsumer', chain.rewriteInConsumer] as const]
      : [steps];
  });
  return Object.fromEntries(
    phases
      .filter(([, steps]) => steps.length > 0)
      .map(([phase, steps]) => [
        wireName(phase),
        steps.map(({ owner }) => ({ name: owner.name, from: owner.origin })),
      ]),
  );
}

interface PluginPlace {
  readonly name: string;
  readonly from: string;
}

function placesOf(plugin: string, layers: readonly (ConfigItem | undefined)[]): ConfPlace[] {
  return layers.flatMap((layer) =>
    layer !== undefined && Object.hasOwn(pluginsOf(layer), plugin)
      ? [{ from: originOf(layer) }]
      : [],
  );
}

function pluginsOf(item: ConfigItem | undefined): PluginConfs {
  return (item?.value as { plugins?: PluginConfs } | undefined)?.plugins ?? {};
}

/** As in run-phase.ts, a filter that fails lets the plugin run. */
function holds(filter: NonNullable<PreparedPlugin['filter']>, vars: Variables): boolean {
  try {
    return filter(vars);
  } catch {
    return true;
  }
}

/** `beforeProxy` → `before_proxy`. */
function wireName(phase: string): string {
  return phase.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
