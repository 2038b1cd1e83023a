import { definePlugin } from '@polygate/plugin-sdk';
import { definition, type LimitCountConf } from './limit-count.schema.ts';
import { prepareRateLimit, rateLimit, type RateLimit } from './rate-limit.ts';

/** Source: apisix/plugins/limit-count.lua. */
export default definePlugin<LimitCountConf, RateLimit>(definition, {
  prepare: (conf, env) => prepareRateLimit(definition.name, conf, env),

  dispose: ({ release }) => release(),

  access: (ctx, limits) => rateLimit(ctx, limits, 1),
});
