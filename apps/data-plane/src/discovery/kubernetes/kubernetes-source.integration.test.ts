import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubernetesDiscoveryConfig } from '@polygate/chassis';
import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../../gateway.harness.ts';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { endpoints, slice, TestCluster } from './cluster.harness.ts';
import { KubernetesSource } from './kubernetes-source.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startCluster(kind: 'Endpoints' | 'EndpointSlice' = 'Endpoints') {
  const cluster = await new TestCluster(kind).start();
  cleanups.push(() => cluster.stop());
  return cluster;
}

function configOf(
  { port }: TestCluster,
  more: Partial<KubernetesDiscoveryConfig> = {},
): KubernetesDiscoveryConfig {
  return {
    id: undefined,
    scheme: 'http',
    host: '${CLUSTER_HOST}',
    port: String(port),
    token: 'abc',
    tokenFile: '',
    verify: false,
    namespaceSelector: undefined,
    labelSelector: undefined,
    defaultWeight: 50,
    watchEndpointSlices: false,
    ...more,
  };
}

function open(...clusters: KubernetesDiscoveryConfig[]): KubernetesSource {
  const parts = {
    authorities: undefined,
    variables: { CLUSTER_HOST: '127.0.0.1' },
    log: memoryLog(),
  };
  const source = new KubernetesSource({ clusters, shown: { a: 1 } }, parts, { onChange: () => {} });
  cleanups.push(() => source.close());
  return source;
}

function hostsOf(answer: ServiceAnswer | undefined): readonly string[] | undefined {
  if (answer === undefined || !('nodes' in answer)) return undefined;
  return answer.nodes.map(({ host, port, weight }) => `${host}:${port}*${weight}`);
}

test('endpoints of several pages are found by namespace, name and port, named or not', async () => {
  const cluster = await startCluster();
  cluster.put('ns', 'web', endpoints(8080, 'http', '10.0.0.2', '10.0.0.1'));
  cluster.put('ns', 'db', endpoints(5432, undefined, '10.0.0.3'));
  const source = open(configOf(cluster, { labelSelector: 'app=x' }));
  expect([source.isReady, source.find('ns/web:http')]).toEqual([false, undefined]);
  await eventually(() => source.isReady);
  expect(hostsOf(source.find('ns/web:http'))).toEqual(['10.0.0.1:8080*50', '10.0.0.2:8080*50']);
  expect(hostsOf(source.find('ns/db:5432'))).toEqual(['10.0.0.3:5432*50']);
  for (const name of ['ns/web:https', 'ns/other:http', 'web', 'a/ns/web:http']) {
    expect(source.find(name)).toEqual({ failure: 'no valid upstream node: nil' });
  }
  expect(cluster.asked[0]?.pathname).toBe('/api/v1/endpoints');
  expect(Object.fromEntries(cluster.asked[1]?.searchParams ?? [])).toEqual({
    limit: '120',
    continue: '1',
    labelSelector: 'app=x',
  });
  expect(source.dump()).toEqual({
    config: { a: 1 },
    endpoints: [
      {
        endpoints: [
          {
            name: 'ns/web',
            value:
              '{"http":[{"host":"10.0.0.1","port":8080,"weight":50},' +
              '{"host":"10.0.0.2","port":8080,"weight":50}]}',
          },
          { name: 'ns/db', value: '{"5432":[{"host":"10.0.0.3","port":5432,"weight":50}]}' },
        ],
      },
    ],
  });
});

test('what is watched is known at once', async () => {
  const cluster = await startCluster();
  const source = open(configOf(cluster));
  await eventually(() => cluster.watches === 1);
  cluster.put('ns', 'web', endpoints(80, 'http', '10.0.0.1'));
  await eventually(() => hostsOf(source.find('ns/web:http'))?.length === 1);
  cluster.put('ns', 'web', endpoints(80, 'http', '10.0.0.1', '10.0.0.2'));
  await eventually(() => hostsOf(source.find('ns/web:http'))?.length === 2);
  cluster.remove('ns', 'web');
  await eventually(() => hostsOf(source.find('ns/web:http')) === undefined);
  expect(cluster.asked.at(-1)?.searchParams.get('resourceVersion')).toBe('100');
});

test('slices of one service are one, without endpoints that are not ready', async () => {
  const cluster = await startCluster('EndpointSlice');
  cluster.put('ns', 'web-1', slice(80, 'http', '10.0.0.3', '!10.0.0.4'), 'web');
  cluster.put('ns', 'web-2', slice(80, 'http', '10.0.0.1'), 'web');
  const source = open(configOf(cluster, { watchEndpointSlices: true }));
  await eventually(() => cluster.watches === 1);
  expect(cluster.asked[0]?.pathname).toBe('/apis/discovery.k8s.io/v1/endpointslices');
  expect(hostsOf(source.find('ns/web:http'))).toEqual(['10.0.0.1:80*50', '10.0.0.3:80*50']);
  cluster.remove('ns', 'web-1');
  await eventually(() => hostsOf(source.find('ns/web:http'))?.length === 1);
});

test('a version that is gone has all listed anew, and what is not listed any more forgotten', async () => {
  const cluster = await startCluster();
  cluster.put('ns', 'old', endpoints(80, 'http', '10.0.0.1'));
  cluster.put('ns', 'stays', endpoints(80, 'http', '10.0.0.1'));
  const source = open(configOf(cluster));
  await eventually(() => cluster.watches === 1);
  cluster.remove('ns', 'old', { silently: true });
  expect(hostsOf(source.find('ns/old:http'))).toHaveLength(1);
  cluster.expire();
  await eventually(() => hostsOf(source.find('ns/old:http')) === undefined);
  expect(hostsOf(source.find('ns/stays:http'))).toHaveLength(1);
});

test('what is known stays while the server is lost, and is put right when it is back', async () => {
  const cluster = await startCluster();
  cluster.put('ns', 'web', endpoints(80, 'http', '10.0.0.1'));
  const source = open(configOf(cluster));
  await eventually(() => cluster.watches === 1);
  await cluster.stop();
  cluster.put('ns', 'web', endpoints(80, 'http', '10.0.0.7'));
  expect(hostsOf(source.find('ns/web:http'))).toEqual(['10.0.0.1:80*50']);
  await cluster.start();
  await eventually(() => hostsOf(source.find('ns/web:http'))?.[0] === '10.0.0.7:80*50');
});

test('namespaces are selected by the server where it can, and by whole patterns here', async () => {
  const cluster = await startCluster();
  for (const namespace of ['team-a', 'team-b', 'other', 'x-team-a']) {
    cluster.put(namespace, 'web', endpoints(80, 'http', '10.0.0.1'));
  }
  const none = { equal: undefined, not_equal: undefined, match: undefined, not_match: undefined };
  const select = (id: string, namespaceSelector: Partial<typeof none> | object) =>
    configOf(cluster, { id, namespaceSelector: { ...none, ...namespaceSelector } });
  const source = open(
    select('equal', { equal: 'team-a' }),
    select('match', { match: ['team-.', 'x'] }),
    select('notmatch', { not_match: ['team-.'] }),
  );
  await eventually(() => source.isReady);
  const found = (id: string) =>
    ['team-a', 'team-b', 'other', 'x-team-a'].filter(
      (namespace) => hostsOf(source.find(`${id}/${namespace}/web:http`)) !== undefined,
    );
  expect(found('match')).toEqual(['team-a', 'team-b']);
  expect(found('notmatch')).toEqual(['other', 'x-team-a']);
  expect(found('nobody')).toEqual([]);
  const selectors = cluster.asked.map(({ searchParams }) => searchParams.get('fieldSelector'));
  expect(selectors).toContain('metadata.namespace=team-a');
});

test('a token file is read for every question', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cluster-token-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'old\n');
  const cluster = await startCluster();
  cluster.put('ns', 'web', endpoints(80, 'http', '10.0.0.1'));
  cluster.tokens.add('new');
  const source = open(configOf(cluster, { token: undefined, tokenFile }));
  await eventually(() => source.find('ns/web:http') !== undefined);
  // nobody may say what is there: the first request is not kept waiting for ever
  expect([source.isReady, source.find('ns/web:http')]).toEqual([
    false,
    { failure: 'no valid upstream node: nil' },
  ]);
  writeFileSync(tokenFile, 'new\n');
  await eventually(() => hostsOf(source.find('ns/web:http'))?.length === 1);
});
