import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import type { ConfigItem } from '../config/config-item.ts';
import { eventually, request, runGateway } from '../gateway.harness.ts';
import type { RunningGateway } from '../gateway.harness.ts';
import type { HealthChange } from './health-messages.ts';
import { HealthMonitor } from './health-monitor.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Node {
  readonly address: string;
  readonly port: number;
  /** Of what it is asked, `/status` being the probe. */
  readonly paths: string[];
  status: number;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A node that can die and come back on the same port. */
async function startNode(): Promise<Node> {
  let server: http.Server | undefined;
  const node = {
    address: '',
    port: 0,
    paths: [] as string[],
    status: 200,
    async start() {
      server = http.createServer((message, response) => {
        node.paths.push(message.url ?? '');
        response.writeHead(node.status).end(String(node.port));
      });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject).listen(node.port, '127.0.0.1', resolve);
      await promise;
      node.port = (server.address() as AddressInfo).port;
      node.address = `127.0.0.1:${node.port}`;
    },
    async stop() {
      const ended = new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
      server?.closeAllConnections();
      server = undefined;
      await ended;
    },
  };
  await node.start();
  cleanups.push(() => node.stop());
  return node;
}

const ACTIVE = {
  http_path: '/status',
  healthy: { interval: 1, successes: 1 },
  unhealthy: { interval: 1, http_failures: 1, tcp_failures: 1, timeouts: 1 },
};
/** Never within a test. */
const RARELY = { healthy: { interval: 900 }, unhealthy: { interval: 900 } };

async function startGateway(options: Parameters<typeof runGateway>[0]): Promise<RunningGateway> {
  const gateway = await runGateway(options);
  cleanups.push(() => gateway.stop());
  return gateway;
}

async function checksOf(
  { plane }: RunningGateway,
  path = '/v1/healthcheck/routes/1',
  headers: http.OutgoingHttpHeaders = {},
): Promise<string> {
  return (await request({ port: plane.controlPort ?? 0, path, headers })).text;
}

interface Shown {
  readonly port: number;
  readonly status: string;
  readonly counter: Readonly<Record<string, number>>;
}

async function nodesOf(gateway: RunningGateway): Promise<readonly Shown[]> {
  const { nodes } = JSON.parse(await checksOf(gateway)) as { nodes: Shown[] | object };
  return Array.isArray(nodes) ? (nodes as Shown[]) : [];
}

const isShown = async (gateway: RunningGateway, { port }: Node, status: string): Promise<boolean> =>
  (await nodesOf(gateway)).some((node) => node.port === port && node.status === status);

test('a node that dies gets no requests until it is back, in any worker', async () => {
  const [a, b] = [await startNode(), await startNode()];
  const gateway = await startGateway({ workers: 2 });
  await gateway.put('/routes/1', {
    uri: '/*',
    upstream: {
      nodes: { [a.address]: 1, [b.address]: 1 },
      retries: 0,
      checks: { active: ACTIVE },
    },
  });
  expect(await nodesOf(gateway)).toEqual([]);
  await gateway.get('/first');
  await eventually(async () => (await nodesOf(gateway)).length === 2);

  await b.stop();
  await eventually(() => isShown(gateway, b, 'unhealthy'));
  const answers = await Promise.all(Array.from({ length: 40 }, () => gateway.get('/')));
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set([String(a.port)]));
  const page = await checksOf(gateway, '/v1/healthcheck', { accept: 'text/html' });
  expect(page).toContain('<tr bgcolor="#FF0000">');
  expect(page).toContain(b.address);

  await b.start();
  await eventually(() => isShown(gateway, b, 'healthy'));
  await eventually(async () => (await gateway.get('/')).text === String(b.port));
}, 30_000);

test('nodes are probed once for all workers', async () => {
  const node = await startNode();
  const gateway = await startGateway({ workers: 2 });
  const upstream = { nodes: { [node.address]: 1 }, checks: { active: ACTIVE } };
  await gateway.put('/routes/1', { uri: '/*', upstream });
  await Promise.all(Array.from({ length: 40 }, () => gateway.get('/used')));
  const probes = (): number => node.paths.filter((path) => path === '/status').length;
  await eventually(() => probes() > 0);
  const began = performance.now();
  const before = probes();
  await eventually(() => probes() >= before + 2);
  expect(performance.now() - began).toBeGreaterThan(900);
}, 30_000);

test('passive checks learn from answers, and all nodes serve when none is well', async () => {
  const [a, b] = [await startNode(), await startNode()];
  const gateway = await startGateway({});
  await gateway.put('/routes/1', {
    uri: '/*',
    upstream: {
      nodes: { [a.address]: 1, [b.address]: 1 },
      checks: {
        active: RARELY,
        passive: { unhealthy: { http_statuses: [500], http_failures: 2 } },
      },
    },
  });
  await gateway.get('/first');
  await eventually(async () => (await nodesOf(gateway)).length === 2);
  a.status = 500;
  await eventually(async () => {
    await gateway.get('/');
    return isShown(gateway, a, 'unhealthy');
  });
  expect((await nodesOf(gateway)).find(({ port }) => port === a.port)?.counter).toEqual({
    success: 0,
    http_failure: 2,
    tcp_failure: 0,
    timeout_failure: 0,
  });
  const texts = [];
  for (let i = 0; i < 10; i++) texts.push((await gateway.get('/')).text);
  expect(new Set(texts)).toEqual(new Set([String(b.port)]));
  b.status = 500;
  await eventually(async () => {
    await gateway.get('/');
    return isShown(gateway, b, 'unhealthy');
  });
  await eventually(async () => (await gateway.get('/')).text === String(a.port));
  await eventually(async () => (await gateway.get('/')).text === String(b.port));
}, 30_000);

test('what is known of a node outlives changes of the nodes beside it', async () => {
  const [a, b, c] = [await startNode(), await startNode(), await startNode()];
  const gateway = await startGateway({});
  const put = (nodes: readonly Node[]): Promise<void> =>
    gateway.put('/routes/1', {
      uri: '/*',
      upstream: {
        type: 'least_conn',
        nodes: Object.fromEntries(nodes.map(({ address }) => [address, 1])),
        checks: {
          active: RARELY,
          passive: { unhealthy: { http_statuses: [500], http_failures: 1 } },
        },
      },
    });
  await put([a, b]);
  await gateway.get('/first');
  await eventually(async () => (await nodesOf(gateway)).length === 2);
  a.status = 500;
  await eventually(async () => {
    await gateway.get('/');
    return isShown(gateway, a, 'unhealthy');
  });
  await put([a, b, c]);
  await eventually(async () => (await nodesOf(gateway)).length === 3);
  expect(await isShown(gateway, a, 'unhealthy')).toBe(true);
  const seen = a.paths.length;
  for (let i = 0; i < 12; i++) await gateway.get('/');
  expect(a.paths.length).toBe(seen);
}, 30_000);

test('disable_upstream_healthcheck checks nothing', async () => {
  const node = await startNode();
  const gateway = await startGateway({ apisix: 'disable_upstream_healthcheck: true' });
  const upstream = { nodes: { [node.address]: 1, '127.0.0.1:1': 1 }, checks: { active: ACTIVE } };
  await gateway.put('/routes/1', { uri: '/*', upstream });
  for (let i = 0; i < 3; i++) await gateway.get('/');
  expect(await nodesOf(gateway)).toEqual([]);
});

const item = (upstream: object, id = '1'): ConfigItem => ({
  kind: 'routes',
  id,
  value: { uri: '/', upstream },
  createdIndex: 1,
  modifiedIndex: 1,
});

test('the monitor keeps the states of an upstream that goes and comes back at once', () => {
  const monitor = new HealthMonitor({ keyPrefix: '/a', authorities: undefined, log: memoryLog() });
  cleanups.push(() => monitor.close());
  const told: HealthChange[] = [];
  monitor.connect((change) => told.push(change));
  const resource = { nodes: { '127.0.0.1:1': 1 }, checks: { active: RARELY } };
  const put = { revision: 1, reset: false, puts: [item(resource)], deletes: [] };
  monitor.apply(put);
  const used = { used: ['routes/1'], reports: [] };
  monitor.receive(used);
  const tcp = {
    key: 'routes/1',
    target: '127.0.0.1:1:127.0.0.1',
    outcome: { kind: 'tcp' },
  } as const;
  monitor.receive({ used: [], reports: [tcp, tcp] });
  const ill = { key: 'routes/1', unhealthy: [tcp.target] };
  expect(monitor.changes).toEqual([ill]);
  expect(monitor.statuses).toEqual([
    { name: '/a/routes/1', ip: '127.0.0.1', port: 1, healthy: false },
  ]);

  monitor.apply({ revision: 2, reset: false, puts: [], deletes: [{ kind: 'routes', id: '1' }] });
  expect(told.at(-1)).toEqual({ key: 'routes/1', unhealthy: undefined });
  expect([monitor.changes, monitor.statuses]).toEqual([[], []]);
  monitor.receive(used);
  expect(told.at(-1)).toEqual({ key: 'routes/1', unhealthy: undefined });

  monitor.apply({ ...put, reset: true });
  monitor.receive(used);
  expect(told.at(-1)).toEqual(ill);
});
