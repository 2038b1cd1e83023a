// Label names of APISIX's metrics, without prefix. Source: metric_label_map of
// apisix/plugins/prometheus/exporter.lua. Those about language models are only known here because
// their labels can be named in the metadata.

const MODEL = ['request_type', 'request_llm_model', 'llm_model'];
const BY_ROUTE = ['route', 'service', 'consumer', 'node', ...MODEL];
const BY_ROUTE_ID = ['route_id', 'service_id', 'consumer', 'node', ...MODEL];
const AI_CACHE = ['route', 'route_id', 'service', 'service_id', 'consumer', 'node', ...MODEL];

export const METRIC_LABELS = {
  http_status: [
    ...['code', 'route', 'matched_uri', 'matched_host', 'service', 'consumer', 'node'],
    ...MODEL,
    'response_source',
  ],
  http_latency: ['type', ...BY_ROUTE],
  bandwidth: ['type', ...BY_ROUTE],
  llm_latency: ['type', ...BY_ROUTE_ID],
  llm_prompt_tokens: BY_ROUTE_ID,
  llm_completion_tokens: BY_ROUTE_ID,
  llm_active_connections: [
    ...['route', 'route_id', 'matched_uri', 'matched_host', 'service', 'service_id'],
    ...['consumer', 'node', ...MODEL],
  ],
  llm_prompt_tokens_dist: BY_ROUTE_ID,
  llm_completion_tokens_dist: BY_ROUTE_ID,
  ai_cache_hits_total: ['layer', ...AI_CACHE],
  ai_cache_misses_total: AI_CACHE,
  ai_cache_bypasses_total: AI_CACHE,
  ai_cache_embedding_latency: AI_CACHE,
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Without these a metric would mix different things, so they cannot be disabled. */
export const STRUCTURAL_LABELS: Readonly<Record<string, string | undefined>> = {
  http_status: 'code',
  http_latency: 'type',
  bandwidth: 'type',
  llm_latency: 'type',
  ai_cache_hits_total: 'layer',
};
