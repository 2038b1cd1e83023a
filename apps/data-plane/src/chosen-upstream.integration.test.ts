import { afterAll, beforeAll, expect, test } from 'vitest';
import { runGateway, startUpstream } from './gateway.harness.ts';
import type { RunningGateway, TestUpstream } from './gateway.harness.ts';

let gateway: RunningGateway;
let upstreams: readonly TestUpstream[];

beforeAll(async () => {
  upstreams = await Promise.all([startUpstream(), startUpstream(), startUpstream()]);
  gateway = await runGateway({ workers: 1 });
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

const to = (index: number): object => ({
  type: 'roundrobin',
  nodes: { [upstreams[index]?.node ?? '']: 1 },
});

/** How many requests came to each upstream. */
async function answered(count: number, path: string): Promise<readonly number[]> {
  const before = upstreams.map(({ requests }) => requests.length);
  for (let i = 0; i < count; i++) expect((await gateway.get(path)).status).toBe(200);
  return upstreams.map(({ requests }, i) => requests.length - (before[i] ?? 0));
}

test('a plugin sends requests to an upstream of its conf, of the configuration, or the route', async () => {
  await gateway.put('/upstreams/named', to(1));
  const weighted = [
    { upstream: to(0), weight: 1 },
    { upstream_id: 'named', weight: 2 },
    { weight: 3 },
  ];
  await gateway.put('/routes/split', {
    uri: '/split',
    upstream: to(2),
    plugins: { 'traffic-split': { rules: [{ weighted_upstreams: weighted }] } },
  });
  expect(await answered(12, '/split')).toEqual([2, 4, 6]);
});

test('a plugin gives a route an upstream that has none', async () => {
  const [upstream] = upstreams;
  const [ip, port] = upstream?.node.split(':') ?? [];
  await gateway.put('/routes/none', {
    uri: '/none',
    plugins: { 'example-plugin': { i: 1, ip, port: Number(port) } },
  });
  expect(await answered(2, '/none')).toEqual([2, 0, 0]);
});
