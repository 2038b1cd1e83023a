import type { PluginConf } from '@polygate/model';
import { PHASES, transportRisks } from '@polygate/plugin-sdk';
import type { Plugin, PluginEnvironment } from '@polygate/plugin-sdk';
import { compileCondition } from '../routing/compile-condition.ts';
import type { PreparedPlugin } from './plugin-chain.ts';

/** Does once per conf what no request should do. `conf` is validated. */
export function preparePlugin(
  plugin: Plugin,
  conf: PluginConf,
  env: PluginEnvironment,
): PreparedPlugin {
  const { definition } = plugin;
  for (const risk of transportRisks(definition, conf)) env.log.warn(risk);
  // What a consumer is found by follows another schema: `prepare` must not see it, and so nothing runs.
  const isIdentity =
    env.source.kind === 'consumer' &&
    definition.consumerSchema !== undefined &&
    plugin.prepare !== undefined;
  const prepared: unknown =
    isIdentity || plugin.prepare === undefined ? conf : plugin.prepare(conf, env);
  const handlers = Object.fromEntries(
    PHASES.flatMap((phase) => {
      const handler = isIdentity ? undefined : plugin[phase];
      if (handler === undefined || plugin.runsIn?.(phase, prepared) === false) return [];
      return [[phase, handler]];
    }),
  ) as PreparedPlugin['handlers'];
  const meta = conf._meta;
  return {
    name: definition.name,
    priority: meta?.priority ?? definition.priority,
    isAuth: definition.type === 'auth',
    runPolicy: definition.runPolicy,
    prepared,
    handlers,
    filter: meta?.filter === undefined ? undefined : compileCondition(meta.filter),
    errorResponse: meta?.error_response,
    origin: `${env.source.kind}/${env.source.id}`,
    dispose:
      isIdentity || plugin.dispose === undefined ? undefined : () => plugin.dispose?.(prepared),
  };
}
