/** What APISIX has for `plugin_attr` when the file says nothing: apisix/cli/config.lua. */
export const PLUGIN_ATTR_DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'log-rotate': {
    timeout: 10_000,
    interval: 3600,
    max_kept: 168,
    max_size: -1,
    enable_compression: false,
  },
  skywalking: {
    service_name: 'APISIX',
    service_instance_name: 'APISIX Instance Name',
    endpoint_addr: 'http://127.0.0.1:12800',
    report_interval: 3,
  },
  opentelemetry: {
    trace_id_source: 'x-request-id',
    resource: { 'service.name': 'APISIX' },
    collector: {
      address: '127.0.0.1:4318',
      request_timeout: 3,
      request_headers: { Authorization: 'token' },
    },
    batch_span_processor: {
      drop_on_queue_full: false,
      max_queue_size: 1024,
      batch_timeout: 2,
      inactive_timeout: 1,
      max_export_batch_size: 16,
    },
    set_ngx_var: false,
  },
  prometheus: {
    export_uri: '/apisix/prometheus/metrics',
    metric_prefix: 'apisix_',
    enable_export_server: true,
    export_addr: { ip: '127.0.0.1', port: 9091 },
    refresh_interval: 15,
  },
  'server-info': { report_ttl: 60 },
  'dubbo-proxy': { upstream_multiplex_count: 32 },
  'proxy-mirror': { timeout: { connect: '60s', read: '60s', send: '60s' } },
  inspect: { delay: 3, hooks_file: '/usr/local/apisix/plugin_inspect_hooks.lua' },
  zipkin: { set_ngx_var: false },
};
