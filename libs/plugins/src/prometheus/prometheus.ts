import { definePlugin } from '@polygate/plugin-sdk';
import type {
  Counter,
  GatewayNode,
  Histogram,
  MatchedRoute,
  PluginEnvironment,
  PublicApi,
  RequestContext,
} from '@polygate/plugin-sdk';
import { responseSource } from '../tracing/response-source.ts';
import { planLabels, type LabelPlan } from './labelled-metric.ts';
import { definition, type PrometheusConf } from './prometheus.schema.ts';

interface Prepared {
  readonly preferName: boolean;
  readonly status: { readonly metric: Counter; readonly labels: LabelPlan };
  readonly latency: { readonly metric: Histogram; readonly labels: LabelPlan };
  readonly bandwidth: { readonly metric: Counter; readonly labels: LabelPlan };
}

// Milliseconds, 1 ms to 60 s.
const DEFAULT_BUCKETS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1000, 2000, 5000, 10000, 30000, 60000],
];
const DEFAULT_URI = '/apisix/prometheus/metrics';
// What these labels are for a request that no AI plugin took part in.
const NO_MODEL = ['traditional_http', '', ''] as const;
/**
 * Filled anew for each request, which is counted in one go: kind or direction, route, service, consumer,
 * node; for the status code also the matched path and host, and who answered.
 */
const requestLabels: string[] = ['', '', '', '', '', ...NO_MODEL];
const statusLabels: string[] = ['', '', '', '', '', '', '', ...NO_MODEL, ''];

/** Source: http_log of apisix/plugins/prometheus/exporter.lua. */
export default definePlugin<PrometheusConf, Prepared>(definition, {
  // where there is a server for them they are nowhere else: get_api of exporter.lua
  publicApis: (attr, { node }) =>
    attr['enable_export_server'] === false ? [metricsApi(attr['export_uri'], node)] : [],

  prepare(conf, env) {
    const status = planLabels('http_status', env);
    const latency = planLabels('http_latency', env);
    const bandwidth = planLabels('bandwidth', env);
    const prefix = prefixOf(env);
    const { metrics } = env;
    return {
      preferName: conf.prefer_name,
      status: {
        labels: status,
        metric: metrics.counter(
          `${prefix}http_status`,
          'HTTP status codes per service in APISIX',
          status.labelNames,
          { expireMs: status.expireMs },
        ),
      },
      latency: {
        labels: latency,
        metric: metrics.histogram(
          `${prefix}http_latency`,
          'HTTP request latency in milliseconds per service in APISIX',
          latency.labelNames,
          bucketsOf(env),
          { expireMs: latency.expireMs },
        ),
      },
      bandwidth: {
        labels: bandwidth,
        metric: metrics.counter(
          `${prefix}bandwidth`,
          'Total bandwidth in bytes consumed per service in APISIX',
          bandwidth.labelNames,
          { expireMs: bandwidth.expireMs },
        ),
      },
    };
  },

  log(ctx, prepared) {
    const { route } = ctx;
    const own = requestLabels;
    own[1] = routeOf(route, prepared.preferName);
    own[2] = serviceOf(route, prepared.preferName);
    own[3] = ctx.consumer?.username ?? '';
    own[4] = ctx.vars.get('balancer_ip') ?? '';
    countStatus(ctx, prepared, own);
    observeLatency(ctx, prepared, own);

    own[0] = 'ingress';
    const { metric, labels } = prepared.bandwidth;
    metric.increment(labels.valuesFor(ctx, own), ctx.bytesReceived);
    own[0] = 'egress';
    metric.increment(labels.valuesFor(ctx, own), ctx.bytesSent);
  },
});

function metricsApi(uri: unknown, node: GatewayNode): PublicApi {
  return {
    methods: ['GET'],
    path: typeof uri === 'string' ? uri : DEFAULT_URI,
    handle: async () => ({
      status: 200,
      headers: { 'Content-Type': 'text/plain' },
      body: await node.metricsText(),
    }),
  };
}

function countStatus(
  ctx: RequestContext,
  { status }: Prepared,
  [, route, service, consumer, node]: readonly string[],
): void {
  statusLabels[0] = String(ctx.response.status);
  statusLabels[1] = route as string;
  statusLabels[2] = ctx.route?.matchedPath ?? '';
  statusLabels[3] = ctx.route?.matchedHost ?? '';
  statusLabels[4] = service as string;
  statusLabels[5] = consumer as string;
  statusLabels[6] = node as string;
  statusLabels[10] = responseSource(ctx);
  status.metric.increment(status.labels.valuesFor(ctx, statusLabels));
}

function observeLatency(ctx: RequestContext, { latency }: Prepared, own: string[]): void {
  const { metric, labels } = latency;
  const totalMs = Math.max(0, Date.now() - ctx.startTimeMs);
  const upstreamMs = upstreamTimeMs(ctx);
  own[0] = 'request';
  metric.observe(labels.valuesFor(ctx, own), totalMs);
  if (upstreamMs !== undefined) {
    own[0] = 'upstream';
    metric.observe(labels.valuesFor(ctx, own), upstreamMs);
  }
  own[0] = 'apisix';
  metric.observe(labels.valuesFor(ctx, own), Math.max(0, totalMs - (upstreamMs ?? 0)));
}

/** Over every node that was tried; undefined when none was. */
function upstreamTimeMs(ctx: RequestContext): number | undefined {
  let sumMs: number | undefined;
  for (const { responseTimeMs } of ctx.attempts) {
    if (responseTimeMs !== undefined) sumMs = (sumMs ?? 0) + responseTimeMs;
  }
  return sumMs;
}

function routeOf(route: MatchedRoute | undefined, preferName: boolean): string {
  if (route === undefined) return '';
  return preferName ? (route.name ?? route.id) : route.id;
}

function serviceOf(route: MatchedRoute | undefined, preferName: boolean): string {
  if (route?.serviceId === undefined) return '';
  return preferName ? (route.serviceName ?? route.serviceId) : route.serviceId;
}

function prefixOf({ attr }: PluginEnvironment): string {
  const prefix = attr['metric_prefix'];
  return typeof prefix === 'string' ? prefix : 'apisix_';
}

function bucketsOf({ attr }: PluginEnvironment): readonly number[] {
  const buckets = attr['default_buckets'];
  if (!Array.isArray(buckets)) return DEFAULT_BUCKETS;
  const bounds = buckets.filter((bound) => typeof bound === 'number');
  return bounds.length === 0 ? DEFAULT_BUCKETS : bounds.sort((a, b) => a - b);
}
