import { contextKey } from '@polygate/plugin-sdk';
import type { Plugin } from '@polygate/plugin-sdk';
import { defineBatchedLogger, type PreparedLogger } from '../log-sinks/batched-logger.ts';
import { clsLog, openCls, type ClsLog } from './cls-api.ts';
import { definition, type TencentCloudClsConf } from './tencent-cloud-cls.schema.ts';

const IS_SAMPLED = contextKey<boolean>('tencent-cloud-cls-is-sampled');

const logger = defineBatchedLogger<TencentCloudClsConf, ClsLog>(definition, {
  entryMaker:
    (conf, { log }) =>
    (_ctx, json) => {
      const entry = JSON.parse(json) as Record<string, unknown>;
      return clsLog({ ...entry, ...conf.global_tag }, log);
    },
  openSink: (conf, { log }) => openCls(conf, log),
});

/** Sends entries of sampled requests to Tencent Cloud's log service. */
const plugin: Plugin<TencentCloudClsConf, PreparedLogger<TencentCloudClsConf, ClsLog>> = {
  ...logger,

  // whether a request is sampled is found out there
  runsIn: (phase, prepared) => phase === 'access' || logger.runsIn?.(phase, prepared) !== false,

  access(ctx, prepared) {
    const { sample_ratio } = prepared.conf;
    const isSampled = sample_ratio === 1 || Math.random() < sample_ratio;
    ctx.set(IS_SAMPLED, isSampled);
    return isSampled ? logger.access?.(ctx, prepared) : undefined;
  },

  bodyFilter(ctx, prepared, chunk, last) {
    return ctx.get(IS_SAMPLED) === true
      ? logger.bodyFilter?.(ctx, prepared, chunk, last)
      : undefined;
  },

  log(ctx, prepared) {
    if (ctx.get(IS_SAMPLED) === true) logger.log?.(ctx, prepared);
    else ctx.log.debug('cls not sampled, skip log');
  },
};

export default plugin;
