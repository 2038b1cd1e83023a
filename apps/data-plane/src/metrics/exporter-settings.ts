import type { GatewayConfig } from '@polygate/chassis';

/** Where metrics are served, with APISIX's defaults; undefined when that is switched off. */
export function exporterSettings(
  config: Pick<GatewayConfig, 'pluginAttr'>,
): { host: string; port: number; uri: string } | undefined {
  const attr = config.pluginAttr['prometheus'] ?? {};
  if (attr['enable_export_server'] === false) return undefined;
  const address = (attr['export_addr'] ?? {}) as { ip?: unknown; port?: unknown };
  const uri = attr['export_uri'];
  return {
    host: typeof address.ip === 'string' ? address.ip : '127.0.0.1',
    port: typeof address.port === 'number' ? address.port : 9091,
    uri: typeof uri === 'string' ? uri : '/apisix/prometheus/metrics',
  };
}

export function metricPrefix(config: Pick<GatewayConfig, 'pluginAttr'>): string {
  const prefix = config.pluginAttr['prometheus']?.['metric_prefix'];
  return typeof prefix === 'string' ? prefix : 'apisix_';
}
