import { ANSWER_BYTES } from './probe.ts';

export type Entry = 'http' | 'tls' | 'h2c';

/** The Admin API's path and what is put there. */
export type Resource = readonly [path: string, body: Record<string, unknown>];

/** One kind of work, done by all contenders that can do it. */
export interface Scenario {
  readonly name: string;
  readonly description: string;
  /** CPU time a request that Polygate may need at most, as a multiple of nginx's. */
  readonly goal: number | undefined;
  /** How clients connect. */
  readonly entry: Entry;
  /** For Polygate and APISIX, in order. `node`: the upstream's `host:port`. */
  resources(node: string): readonly Resource[];
  /** Of the request that shows that all of it works. It must be the last resource's. */
  readonly path: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** Sent with POST; 0: GET without a body. */
  readonly requestBodyBytes: number;
  /** Path and X-Runner as they must reach the upstream. */
  readonly upstreamPath: string;
  readonly upstreamRunner: string;
  readonly answerBytes: number;
  readonly answerHeaders: readonly string[];
  /** In place of `path` again and again: Lua for wrk. */
  readonly script: string | undefined;
  /** Of a metric that must be there after the load. */
  readonly metric: string | undefined;
  /** Only a gateway with plugins can do it; nginx forwards the same request without them. */
  readonly needsPlugins: boolean;
  /** Through the TypeScript runner, whose time is counted apart. */
  readonly hasRunner: boolean;
}

const ROUTES = 1000;
const CLIENT_KEY = 'key-of-the-benchmark-only';
const LARGE_BYTES = 100 * 1024;
const UPLOAD_BYTES = 64 * 1024;

/** About 700 bytes, as a browser sends them. */
const BROWSER_HEADERS = {
  'User-Agent':
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Language': 'en-GB,en;q=0.9,de-DE;q=0.8,de;q=0.7',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  Cookie: 'session=5f2b8c1e9d7a4036b1c2d3e4f5a69788; theme=dark; consent=v2.essential.statistics',
  Referer: 'https://shop.example.com/catalogue/chairs?page=3&sort=price',
  'Cache-Control': 'no-cache',
  'Upgrade-Insecure-Requests': '1',
  'Sec-Fetch-Site': 'same-origin',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
} as const;

const BARE = {
  goal: undefined,
  entry: 'http',
  requestHeaders: {},
  requestBodyBytes: 0,
  upstreamRunner: '',
  answerBytes: ANSWER_BYTES,
  answerHeaders: [],
  script: undefined,
  metric: undefined,
  needsPlugins: false,
  hasRunner: false,
} as const;

const upstreamOf = (node: string) => ({ type: 'roundrobin', nodes: { [node]: 1 } });

/** One route for one path, without plugins. */
const plainRoute = (path: string) => ({
  path,
  upstreamPath: path,
  resources: (node: string): Resource[] => [
    ['/routes/1', { uri: path, upstream: upstreamOf(node) }],
  ],
});

export const SCENARIOS: readonly Scenario[] = [
  {
    ...BARE,
    name: 'plain',
    description: `${ROUTES} prefix routes with one upstream, requests over all of them, no plugins`,
    goal: 1.3,
    resources: (node) => [
      ['/upstreams/1', upstreamOf(node)],
      ...Array.from({ length: ROUTES }, (_, i): Resource => [
        `/routes/${i}`,
        { uri: `/service-${i}/*`, upstream_id: '1' },
      ]),
    ],
    path: `/service-${ROUTES - 1}/item`,
    upstreamPath: `/service-${ROUTES - 1}/item`,
    script: overAllRoutes(),
  },
  {
    ...BARE,
    name: 'plugins',
    description: 'request-id, key-auth, limit-count, proxy-rewrite, prometheus, file-logger',
    goal: 1.7,
    resources: (node) => [
      ['/consumers', { username: 'bench', plugins: { 'key-auth': { key: CLIENT_KEY } } }],
      ['/routes/1', { uri: '/plugins', upstream: upstreamOf(node), plugins: sixPlugins() }],
    ],
    path: '/plugins',
    requestHeaders: { apikey: CLIENT_KEY },
    upstreamPath: '/rewritten',
    answerHeaders: ['X-Request-Id', 'X-RateLimit-Remaining'],
    metric: 'apisix_http_status',
    needsPlugins: true,
  },
  {
    ...BARE,
    ...plainRoute('/headers'),
    name: 'headers',
    description: 'eleven request headers of a browser, about 700 bytes',
    goal: 1.5,
    requestHeaders: BROWSER_HEADERS,
  },
  {
    ...BARE,
    ...plainRoute('/large'),
    name: 'large',
    description: 'answers of 100 KB',
    goal: 0.9,
    answerBytes: LARGE_BYTES,
  },
  {
    ...BARE,
    ...plainRoute('/tls'),
    name: 'tls',
    description: 'clients over TLS, connections kept open',
    goal: 1.6,
    entry: 'tls',
  },
  {
    ...BARE,
    ...plainRoute('/h2c'),
    name: 'h2c',
    description: 'clients over HTTP/2 in clear text, by h2load',
    goal: 2.3,
    entry: 'h2c',
  },
  {
    ...BARE,
    ...plainRoute('/close'),
    name: 'close',
    description: 'a new connection for each request',
    requestHeaders: { Connection: 'close' },
  },
  {
    ...BARE,
    ...plainRoute('/upload'),
    name: 'upload',
    description: 'POST with bodies of 64 KB',
    requestBodyBytes: UPLOAD_BYTES,
    script: uploads(),
  },
  {
    ...BARE,
    name: 'external',
    description: 'ext-plugin-pre-req on the TypeScript runner, which sets a header',
    resources: (node) => [
      ['/routes/1', { uri: '/external', upstream: upstreamOf(node), plugins: externalPlugin() }],
    ],
    path: '/external',
    upstreamPath: '/external',
    upstreamRunner: 'bench',
    needsPlugins: true,
    hasRunner: true,
  },
];

function sixPlugins(): object {
  return {
    'request-id': {},
    'key-auth': {},
    // more than any run can send: nothing is refused
    'limit-count': { count: 1_000_000_000, time_window: 86_400, key: 'remote_addr' },
    'proxy-rewrite': { uri: '/rewritten', headers: { set: { 'X-Added': 'bench' } } },
    prometheus: {},
    'file-logger': { path: 'LOG_FILE' },
  };
}

function externalPlugin(): object {
  const conf = [{ name: 'add-header', value: JSON.stringify({ 'X-Runner': 'bench' }) }];
  return { 'ext-plugin-pre-req': { conf } };
}

/** Neighbours in time are far apart in the list. */
function overAllRoutes(): string {
  return `local requests, i = {}, 0
init = function()
  for n = 0, ${ROUTES - 1} do
    requests[n] = wrk.format("GET", "/service-" .. n .. "/item")
  end
end
request = function()
  i = (i + 617) % ${ROUTES}
  return requests[i]
end
`;
}

function uploads(): string {
  return `wrk.method = "POST"
wrk.body = string.rep("0123456789abcdef", ${UPLOAD_BYTES / 16})
`;
}
