import { memorySettings, mountPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import plugin from './graphql-limit-count.ts';

const conf = (raw: object) => validConf(plugin.definition, { count: 10, time_window: 60, ...raw });
const DEEP = '{ foo { bar, baz { boo, baa { id } } } }';

function query(text: unknown, more: object = {}): PluginRequest {
  return {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query: text, ...more }),
  };
}

describe('graphql-limit-count', () => {
  test('charges as much as a query is deep', async () => {
    const mounted = mountPlugin(plugin, conf({ count: 4 }));
    const first = await mounted.request(query(DEEP));
    expect(first.status).toBe(200);
    expect(first.headers.get('X-Graphql-Query-Cost')).toBe('4');
    expect(first.headers.get('X-RateLimit-Remaining')).toBe('0');
    expect((await mounted.request(query('{ a }'))).status).toBe(503);
  });

  test('charges for the operation that is named, or else for the dearest', async () => {
    const text = `query a { a } query b ${DEEP}`;
    const mounted = mountPlugin(plugin, conf({}));
    const cost = async (more: object) =>
      (await mounted.request(query(text, more))).headers.get('X-Graphql-Query-Cost');
    expect(await cost({ operationName: 'a' })).toBe('1');
    expect(await cost({})).toBe('4');
    expect(await cost({ operationName: 'c' })).toBe('4');
  });

  test('refuses what costs too much, and charges for it', async () => {
    const mounted = mountPlugin(plugin, conf({ max_cost: 3, score_factor: 0.5 }));
    const run = await mounted.request(query('{ a { b { c { d { e { f { g } } } } } } }'));
    expect(run.reply).toEqual({
      status: 403,
      body: { message: 'Invalid graphql request: query cost 4 exceeds max_cost 3' },
    });
    const next = await mounted.request(query('{ a }'));
    expect(next.headers.get('X-RateLimit-Remaining')).toBe('5');
  });

  test.each([
    ['no body', { method: 'POST' }, "Invalid graphql request: can't get graphql request body"],
    [
      'a body that is too large',
      query('a'.repeat(200)),
      "Invalid graphql request: can't get graphql request body",
    ],
    [
      'another content type',
      { method: 'POST', body: '{ a }', headers: { 'Content-Type': 'text/plain' } },
      'invalid graphql request, error content-type: text/plain',
    ],
    [
      'broken JSON',
      { ...query(''), body: '{"query": "{a}",}' },
      'invalid graphql request, Expected object key string but found T_OBJ_END at character 17',
    ],
    ['no query', query(undefined), 'invalid graphql request, json body[query] is nil'],
    ['no GraphQL', query('test {'), 'Invalid graphql request: failed to parse graphql query'],
    ['a number', query(1), 'Invalid graphql request: failed to parse graphql query'],
    ['nothing', query(' # nothing'), 'Invalid graphql request: empty graphql query'],
    [
      'fragments in a circle',
      query('{ ...a } fragment a on A { ...a }'),
      'Invalid graphql request: fragment spreads must not form cycles',
    ],
  ])('answers 400 to %s', async (_what, request, message) => {
    const settings = memorySettings({ graphqlBytesMax: 100 });
    const run = await mountPlugin(plugin, conf({}), { settings }).request(request);
    expect(run.reply).toEqual({ status: 400, body: { message } });
  });

  test('takes GraphQL itself as a body, and nothing but POST', async () => {
    const headers = { 'Content-Type': 'application/graphql' };
    const mounted = mountPlugin(plugin, conf({}));
    const run = await mounted.request({ method: 'POST', headers, body: '{ a { b } }' });
    expect(run.headers.get('X-Graphql-Query-Cost')).toBe('2');
    expect((await mounted.request({ method: 'GET' })).status).toBe(405);
  });

  test.each([
    [{ score_factor: 0 }, 'property "score_factor" validation failed'],
    [{ cost_strategy: 'odd' }, 'property "cost_strategy" validation failed'],
    [
      { rules: [{ count: 1, time_window: 1, key: '$uri' }] },
      'count/time_window and rules cannot be specified at the same time',
    ],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});

describe('graphql-limit-count with decorations', () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });

  const SCHEMA = {
    queryType: { name: 'Query' },
    types: [{ name: 'Query', fields: [{ name: 'products', args: [], type: { name: 'Product' } }] }],
  };

  /** A GraphQL server that tells its schema to those who know the token. */
  async function serve() {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.host}`);
      const knows = request.headers['x-token'] !== 'wrong';
      response.writeHead(knows ? 200 : 401).end(JSON.stringify({ data: { __schema: SCHEMA } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    return { port: (server.address() as AddressInfo).port, asked };
  }

  const decorations = [
    { field_path: 'Query.products', add_value: 1, mul_value: 1, mul_arguments: ['first'] },
  ];
  const PRODUCTS = '{ products(first: 20) { id } }';

  function mount(port: number, raw: object = {}) {
    return mountPlugin(plugin, conf({ count: 100, cost_strategy: 'complexity', ...raw }), {
      costDecorationsOf: (id) => (id === 'shop' ? decorations : []),
      findUpstreamResource: (id) =>
        id === '1' ? { type: 'roundrobin', nodes: { [`127.0.0.1:${port}`]: 1 } } : undefined,
    });
  }
  const request = (text: string): PluginRequest => ({
    ...query(text),
    target: '/graphql',
    headers: { 'Content-Type': 'application/json', Host: 'shop.test' },
    route: { serviceId: 'shop' },
    resources: { service: { upstream_id: '1' } },
  });

  test('asks the upstream for its schema once, and weighs by it', async () => {
    const { port, asked } = await serve();
    const mounted = mount(port);
    for (let i = 0; i < 2; i++) {
      const run = await mounted.request(request(PRODUCTS));
      expect(run.headers.get('X-Graphql-Query-Cost')).toBe('23');
    }
    expect(asked).toEqual(['/graphql shop.test']);
    mounted.dispose();
  });

  test('asks where the conf says, with the headers of the conf', async () => {
    const { port, asked } = await serve();
    const endpoint = `http://127.0.0.1:${port}/schema`;
    const mounted = mount(1, {
      introspection_endpoint: endpoint,
      introspection_headers: { Host: 'schema.test' },
    });
    expect((await mounted.request(request(PRODUCTS))).status).toBe(200);
    expect(asked).toEqual(['/schema schema.test']);
    mounted.dispose();
  });

  test('answers 400 where there is no schema, and does not ask for each request', async () => {
    const { port, asked } = await serve();
    const mounted = mount(port, { introspection_headers: { 'X-Token': 'wrong' } });
    for (let i = 0; i < 2; i++) {
      const run = await mounted.request(request(PRODUCTS));
      const message = 'Invalid graphql request: failed to introspect the upstream graphql schema';
      expect(run.reply).toEqual({ status: 400, body: { message } });
      expect(run.log.join()).toContain('unexpected status 401');
    }
    expect(asked).toHaveLength(1);
    mounted.dispose();
  });

  test.each(['1e30', '1e308', '"1e300"'])(
    'a query for %s of something costs a number',
    async (first) => {
      const { port } = await serve();
      const mounted = mount(port, { score_factor: 1e9, show_limit_quota_header: true });
      const run = await mounted.request(request(`{ products(first: ${first}) { id } }`));
      expect(run.reply?.status).toBe(503);
      expect(run.headers.get('X-Graphql-Query-Cost')).toBe('1000000000000');
      mounted.dispose();
    },
  );

  test('counts fields where the route has no service', async () => {
    const mounted = mount(1);
    const run = await mounted.request(query(PRODUCTS));
    expect(run.headers.get('X-Graphql-Query-Cost')).toBe('4');
  });
});
