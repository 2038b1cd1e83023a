/** What a Polygate is given to do. */
export interface Scenario {
  readonly name: string;
  readonly description: string;
  /** Paths of the Admin API and what is put there, in order. */
  readonly resources: readonly (readonly [path: string, body: object])[];
  /** Of the request that shows that all of it works. It must be the last resource's. */
  readonly path: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** Path and X-Runner as they must reach the upstream. */
  readonly upstreamPath: string;
  readonly upstreamRunner: string;
  readonly answerHeaders: readonly string[];
  /** In place of `path` again and again: Lua for wrk. */
  readonly script?: string;
  /** Of a metric that must be there after the load. */
  readonly metric?: string;
  /** Through the TypeScript runner. */
  readonly external: boolean;
}

const ROUTES = 1000;
const CLIENT_KEY = 'key-of-the-benchmark-only';

const BARE = {
  requestHeaders: {},
  upstreamRunner: '',
  answerHeaders: [],
  external: false,
} as const;

/** `node` is the upstream's `host:port`. */
export function scenariosFor(node: string): Scenario[] {
  const upstream = { type: 'roundrobin', nodes: { [node]: 1 } };
  return [
    {
      ...BARE,
      name: 'plain',
      description: 'one route, no plugins',
      resources: [['/routes/1', { uri: '/plain', upstream }]],
      path: '/plain',
      upstreamPath: '/plain',
    },
    {
      ...BARE,
      name: '1000-routes',
      description: `${ROUTES} prefix routes with one upstream, requests over all of them`,
      resources: [
        ['/upstreams/1', upstream],
        ...Array.from(
          { length: ROUTES },
          (_, i) => [`/routes/${i}`, { uri: `/service-${i}/*`, upstream_id: '1' }] as const,
        ),
      ],
      path: `/service-${ROUTES - 1}/item`,
      upstreamPath: `/service-${ROUTES - 1}/item`,
      script: overAllRoutes(),
    },
    {
      ...BARE,
      name: 'plugins',
      description: 'request-id, key-auth, limit-count, proxy-rewrite, prometheus',
      resources: [
        ['/consumers', { username: 'bench', plugins: { 'key-auth': { key: CLIENT_KEY } } }],
        ['/routes/1', { uri: '/plugins', upstream, plugins: pluginsOfRoute() }],
      ],
      path: '/plugins',
      requestHeaders: { apikey: CLIENT_KEY },
      upstreamPath: '/rewritten',
      answerHeaders: ['X-Request-Id', 'X-RateLimit-Remaining'],
      metric: 'apisix_http_status',
    },
    {
      ...BARE,
      name: 'external',
      description: 'ext-plugin-pre-req on the TypeScript runner, which sets a header',
      resources: [['/routes/1', { uri: '/external', upstream, plugins: externalPlugin() }]],
      path: '/external',
      upstreamPath: '/external',
      upstreamRunner: 'bench',
      external: true,
    },
  ];
}

function pluginsOfRoute(): object {
  return {
    'request-id': {},
    'key-auth': {},
    // more than any run can send: nothing is refused
    'limit-count': { count: 1_000_000_000, time_window: 86_400, key: 'remote_addr' },
    'proxy-rewrite': { uri: '/rewritten', headers: { set: { 'X-Added': 'bench' } } },
    prometheus: {},
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
