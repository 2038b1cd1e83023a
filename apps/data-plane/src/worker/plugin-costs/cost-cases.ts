import { signedRequests } from './signed-requests.ts';

type Plugins = Readonly<Record<string, object>>;

/** One plugin with a conf that it is used with, and a request that makes it do its work. */
export interface CostCase {
  readonly plugin: string;
  readonly conf: object;
  readonly attr?: Readonly<Record<string, unknown>>;
  readonly metadata?: object;
  /** `plugins` of a consumer; its labels are `t: a`. */
  readonly consumer?: Plugins;
  /** On both routes, so that what they cost is not counted. */
  readonly alsoPlugins?: Plugins;
  readonly protos?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly answer?: {
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  };
  /** What a request gets where the plugin did its work. Default: 200. */
  readonly status?: number;
  /** What it does that the limit does not count. */
  readonly beyond?: 'cryptography' | 'I/O' | 'compression' | 'sandbox';
}

const JSON_BODY = JSON.stringify({ name: 'chair', price: 12.5, tags: ['a', 'b'], token: 'secret' });
const JSON_TYPE = { 'Content-Type': 'application/json' };
/** Nobody listens there: a batch of a thousand is refused at once and dropped. */
const NOBODY = 'http://127.0.0.1:1';
const KEY = { 'key-auth': { key: 'one-key' } };
const WITH_KEY = { alsoPlugins: { 'key-auth': {} }, headers: { apikey: 'one-key' } };
const LONG_TEXT = 'A chair is a type of seat, for one person. '.repeat(50);

const GATES: readonly CostCase[] = [
  { plugin: 'acl', conf: { allow_labels: { t: ['a', 'b'] } }, ...WITH_KEY },
  { plugin: 'attach-consumer-label', conf: { headers: { 'X-T': '$t' } }, ...WITH_KEY },
  {
    plugin: 'api-breaker',
    conf: { break_response_code: 502, unhealthy: { http_statuses: [500], failures: 3 } },
  },
  {
    plugin: 'basic-auth',
    conf: {},
    consumer: { 'basic-auth': { username: 'foo', password: 'bar' } },
    headers: { Authorization: 'Basic Zm9vOmJhcg==' },
  },
  { plugin: 'client-control', conf: { max_body_size: 1024 }, body: JSON_BODY },
  { plugin: 'consumer-restriction', conf: { whitelist: ['jack', 'key_auth'] }, ...WITH_KEY },
  { plugin: 'csrf', conf: { key: 'a-key' }, beyond: 'cryptography' },
  { plugin: 'ip-restriction', conf: { whitelist: ['10.0.0.0/8', '192.0.2.0/24', '::1'] } },
  { plugin: 'key-auth', conf: {}, consumer: KEY, headers: { apikey: 'one-key' } },
  {
    plugin: 'multi-auth',
    conf: { auth_plugins: [{ 'key-auth': {} }, { 'basic-auth': {} }] },
    headers: { apikey: 'one-key' },
  },
  { plugin: 'referer-restriction', conf: { whitelist: ['*.test', 'a.example'] } },
  { plugin: 'ua-restriction', conf: { denylist: ['wget', '(?i)bot'] } },
  { plugin: 'uri-blocker', conf: { block_rules: ['root.exe', '\\.php$', 'select.+from'] } },
  {
    plugin: 'request-validation',
    conf: {
      body_schema: {
        type: 'object',
        required: ['name'],
        properties: { price: { type: 'number' } },
      },
    },
    headers: JSON_TYPE,
    body: JSON_BODY,
  },
  ...signedRequests(),
];

const LIMITS: readonly CostCase[] = [
  {
    plugin: 'limit-conn',
    conf: { conn: 1e6, burst: 1, default_conn_delay: 0.1, key: 'remote_addr' },
  },
  { plugin: 'limit-count', conf: { count: 1e9, time_window: 86_400, key: 'remote_addr' } },
  { plugin: 'limit-req', conf: { rate: 1e9, burst: 1e9, key: 'remote_addr', nodelay: true } },
  {
    plugin: 'workflow',
    conf: {
      rules: [
        { case: [['uri', '==', '/nowhere']], actions: [['return', { code: 403 }]] },
        {
          case: [['arg_a', '==', '1']],
          actions: [['limit-count', { count: 1e9, time_window: 60 }]],
        },
      ],
    },
    query: 'a=1',
  },
];

const REQUESTS: readonly CostCase[] = [
  {
    plugin: 'proxy-rewrite',
    conf: {
      regex_uri: ['^/with/([^/]+)/(.*)', '/$1/$2'],
      headers: { set: { 'X-Added': '$remote_addr' }, remove: ['X-Removed'] },
    },
  },
  { plugin: 'proxy-control', conf: { request_buffering: false } },
  {
    plugin: 'real-ip',
    conf: { source: 'http_x_forwarded_for', trusted_addresses: ['192.0.2.0/24'] },
    headers: { 'X-Forwarded-For': '10.1.2.3' },
  },
  { plugin: 'request-id', conf: {} },
  { plugin: 'traffic-label', conf: { rules: [{ actions: [{ set_headers: { 'X-Lane': 'a' } }] }] } },
  {
    plugin: 'traffic-split',
    conf: {
      rules: [
        {
          match: [{ vars: [['arg_a', '==', '1']] }],
          weighted_upstreams: [
            { upstream: { type: 'roundrobin', nodes: { '127.0.0.1:1981': 1 } }, weight: 1 },
            { weight: 1 },
          ],
        },
      ],
    },
    query: 'a=1',
  },
  {
    plugin: 'body-transformer',
    conf: { request: { template: '{"n":"{{name}}","p":{{price}}}', input_format: 'json' } },
    headers: JSON_TYPE,
    body: JSON_BODY,
  },
  {
    plugin: 'data-mask',
    conf: {
      request: [
        { type: 'query', name: 'password', action: 'remove' },
        { type: 'header', name: 'apikey', action: 'replace', value: '*****' },
      ],
    },
    query: 'password=a&b=c',
    headers: { apikey: 'one-key' },
  },
];

const ANSWERS: readonly CostCase[] = [
  { plugin: 'cors', conf: {}, headers: { Origin: 'https://shop.test' } },
  {
    plugin: 'echo',
    conf: { before_body: 'before ', after_body: ' after', headers: { 'X-E': 'e' } },
  },
  {
    plugin: 'fault-injection',
    conf: { abort: { http_status: 503, body: 'no', vars: [[['arg_a', '==', '1']]] } },
    query: 'a=1',
    status: 503,
  },
  { plugin: 'mocking', conf: { response_example: '{"a":"$remote_addr"}' } },
  { plugin: 'redirect', conf: { uri: '/elsewhere$uri', ret_code: 301 }, status: 301 },
  {
    plugin: 'response-rewrite',
    conf: {
      headers: { set: { 'X-Server': '$balancer_ip' } },
      filters: [{ regex: 'hello', scope: 'once', replace: 'bye' }],
    },
  },
  {
    plugin: 'error-page',
    conf: {},
    metadata: { enable: true, error_404: { body: '<p>none</p>', content_type: 'text/html' } },
    alsoPlugins: { 'fault-injection': { abort: { http_status: 404 } } },
    answer: { status: 404 },
    status: 404,
  },
  { plugin: 'gzip', conf: {}, answer: htmlAnswer(), beyond: 'compression' },
  { plugin: 'brotli', conf: {}, answer: htmlAnswer(), beyond: 'compression' },
  {
    plugin: 'proxy-cache',
    conf: { cache_strategy: 'memory', cache_zone: 'memory_cache' },
  },
  { plugin: 'grpc-web', conf: {}, method: 'OPTIONS', status: 204 },
  {
    plugin: 'exit-transformer',
    conf: { functions: ['(status, body, headers) => [status, body, headers]'] },
    alsoPlugins: { mocking: { response_example: '{"a":1}' } },
    beyond: 'sandbox',
  },
];

const LOGS: readonly CostCase[] = [
  { plugin: 'file-logger', conf: { path: '/dev/null' }, beyond: 'I/O' },
  { plugin: 'http-logger', conf: { uri: `${NOBODY}/log` } },
  { plugin: 'loki-logger', conf: { endpoint_addrs: [NOBODY] } },
  { plugin: 'tcp-logger', conf: { host: '127.0.0.1', port: 1 } },
  { plugin: 'udp-logger', conf: { host: '127.0.0.1', port: 1 }, beyond: 'I/O' },
  { plugin: 'syslog', conf: { host: '127.0.0.1', port: 1 } },
  { plugin: 'datadog', conf: {}, beyond: 'I/O' },
  {
    plugin: 'splunk-hec-logging',
    conf: { endpoint: { uri: `${NOBODY}/services/collector`, token: 'a' } },
  },
  {
    plugin: 'clickhouse-logger',
    conf: { endpoint_addr: NOBODY, user: 'u', password: 'p', database: 'd', logtable: 't' },
  },
  {
    plugin: 'tencent-cloud-cls',
    conf: {
      cls_host: '127.0.0.1:1',
      cls_topic: 't',
      secret_id: 'a',
      secret_key: 'b',
      scheme: 'http',
    },
  },
  {
    plugin: 'elasticsearch-logger',
    conf: { endpoint_addrs: [NOBODY], field: { index: 'services-{%Y.%m.%d}' } },
  },
  {
    plugin: 'kafka-logger',
    conf: { brokers: [{ host: '127.0.0.1', port: 1 }], kafka_topic: 't' },
  },
  {
    plugin: 'loggly',
    conf: { customer_token: 't' },
    metadata: { host: '127.0.0.1', port: 1 },
    beyond: 'I/O',
  },
  { plugin: 'skywalking-logger', conf: { endpoint_addr: NOBODY } },
  {
    plugin: 'sls-logger',
    conf: {
      ...{ host: '127.0.0.1', port: 1, project: 'p', logstore: 'l' },
      ...{ access_key_id: 'a', access_key_secret: 'b' },
    },
  },
  { plugin: 'prometheus', conf: {} },
  { plugin: 'zipkin', conf: { endpoint: `${NOBODY}/api/v2/spans`, sample_ratio: 1 } },
  {
    plugin: 'opentelemetry',
    conf: { sampler: { name: 'always_on' } },
    metadata: { collector: { address: '127.0.0.1:1' } },
  },
];

const GRAPHQL = {
  headers: JSON_TYPE,
  body: '{"query":"query A($n: Int) { shop(n: $n) { name } }"}',
};
const OPENAPI = JSON.stringify({
  openapi: '3.0.0',
  info: { title: 'items', version: '1' },
  paths: {
    '/with/oas-validator/items/{id}': {
      post: {
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
        requestBody: {
          content: { 'application/json': { schema: { type: 'object', required: ['name'] } } },
        },
        responses: { 200: { description: 'ok' } },
      },
    },
  },
});

const FORMATS: readonly CostCase[] = [
  { plugin: 'degraphql', conf: { query: '{ shop { name } }' } },
  {
    plugin: 'graphql-limit-count',
    conf: { count: 1e9, time_window: 86_400, key: 'remote_addr' },
    ...GRAPHQL,
  },
  {
    plugin: 'graphql-proxy-cache',
    conf: { cache_strategy: 'memory', cache_zone: 'memory_cache' },
    ...GRAPHQL,
  },
  { plugin: 'oas-validator', conf: { spec: OPENAPI }, headers: JSON_TYPE, body: JSON_BODY },
];

const OWN_CODE: readonly CostCase[] = [
  { plugin: 'example-plugin', conf: { i: 1 } },
  {
    plugin: 'serverless-pre-function',
    conf: {
      phase: 'access',
      functions: ['(conf, ctx) => { ctx.request.headers.set("X-A", "b"); }'],
    },
    beyond: 'sandbox',
  },
  {
    plugin: 'serverless-post-function',
    conf: {
      phase: 'access',
      functions: ['(conf, ctx) => { ctx.request.headers.set("X-A", "b"); }'],
    },
    beyond: 'sandbox',
  },
];

export const COST_CASES: readonly CostCase[] = [
  ...GATES,
  ...LIMITS,
  ...REQUESTS,
  ...ANSWERS,
  ...LOGS,
  ...FORMATS,
  ...OWN_CODE,
];

/** Why nothing is measured. */
export const NOT_MEASURED: Readonly<Record<string, string>> = {
  'batch-requests': 'answers requests of its own through a route; has no part in others',
  'cas-auth': 'needs an identity provider',
  'error-log-logger': 'has no part in requests',
  'ext-plugin-post-req': 'needs a plugin runner: see the scenario "external"',
  'ext-plugin-post-resp': 'needs a plugin runner',
  'ext-plugin-pre-req': 'needs a plugin runner: see the scenario "external"',
  'forward-auth': 'needs the service that it asks',
  'google-cloud-logging': "needs Google's token service",
  'grpc-transcode': 'needs a node that speaks gRPC',
  'ldap-auth': 'needs an LDAP server',
  'log-rotate': 'has no part in requests',
  'node-status': 'answers requests of its own through a route; has no part in others',
  opa: 'needs the service that it asks',
  'openid-connect': 'needs an identity provider',
  'proxy-mirror': 'needs the service that copies go to',
  'public-api': 'answers with what another plugin has',
  'server-info': 'has no part in requests',
  'wolf-rbac': 'needs the service that it asks',
};

function htmlAnswer(): NonNullable<CostCase['answer']> {
  return { headers: { 'Content-Type': 'text/html' }, body: LONG_TEXT };
}
