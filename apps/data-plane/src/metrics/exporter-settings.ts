import type { GatewayConfig } from '@polygate/chassis';

/** `plugin_attr.prometheus` of the configuration file, with APISIX's defaults. */
function attrOf({ pluginAttr }: Pick<GatewayConfig, 'pluginAttr'>): Record<string, unknown> {
  return { ...pluginAttr['prometheus'] };
}

/** Where metrics are served; undefined when the export server is switched off. */
export function exporterSettings(
  config: Pick<GatewayConfig, 'pluginAttr'>,
): { host: string; port: number; uri: string } | undefined {
  const attr = attrOf(config);
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
  const prefix = attrOf(config)['metric_prefix'];
  return typeof prefix === 'string' ? prefix : 'apisix_';
}
