import { afterEach, expect, test } from 'vitest';
import { TestNameServer } from '../dns/name-server.harness.ts';
import { eventually, request, runGateway, startUpstream } from '../gateway.harness.ts';
import type { RunningGateway, TestUpstream } from '../gateway.harness.ts';
import { endpoints, TestCluster } from './kubernetes/cluster.harness.ts';
import { ConsulTestServer } from './consul/consul-server.harness.ts';
import { EurekaTestServer } from './eureka/eureka-server.harness.ts';
import { NacosTestServer } from './nacos/nacos-server.harness.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startGateway(discovery: string, workers = 1): Promise<RunningGateway> {
  const gateway = await runGateway({ workers, more: `discovery: ${discovery}` });
  cleanups.push(() => gateway.stop());
  return gateway;
}

/** A node that answers with its name. */
async function startNode(name: string): Promise<TestUpstream & { readonly port: number }> {
  const node = await startUpstream((_, response) => void response.end(name));
  cleanups.push(() => node.close());
  return { ...node, port: Number(node.node.split(':')[1]) };
}

const route = (type: string, name: string, more: object = {}): object => ({
  uri: '/*',
  upstream: { type: 'roundrobin', service_name: name, discovery_type: type, ...more },
});

async function control({ plane }: RunningGateway, path: string): Promise<[number, string]> {
  const { status, text } = await request({ port: plane.controlPort ?? 0, path });
  return [status, text];
}

test('requests go to the nodes that Consul has now, in every worker', async () => {
  const consul = await new ConsulTestServer().start();
  cleanups.push(() => consul.stop());
  const [one, two] = [await startNode('one'), await startNode('two')];
  consul.set('web', one.node);
  const gateway = await startGateway(`{consul: {servers: ["${consul.url}"]}}`, 2);
  await gateway.put('/routes/1', route('consul', 'web'));
  const answers = async (): Promise<Set<string>> => {
    const all = Array.from({ length: 20 }, () => gateway.get('/'));
    return new Set((await Promise.all(all)).map(({ text }) => text));
  };
  expect(await answers()).toEqual(new Set(['one']));
  consul.set('web', one.node, two.node);
  await eventually(async () => (await answers()).size === 2);
  consul.set('web', two.node);
  await eventually(async () => [...(await answers())].join() === 'two');
  await consul.stop();
  expect(await answers()).toEqual(new Set(['two']));
  const [status, text] = await control(gateway, '/v1/discovery/consul/dump');
  expect([status, JSON.parse(text)]).toMatchObject([
    200,
    { services: { web: [{ host: '127.0.0.1', port: two.port, weight: 1 }] } },
  ]);
  await consul.start();
});

test('a service without nodes, and a registry that is not configured, are answered 503', async () => {
  const names = await new TestNameServer().start();
  cleanups.push(() => names.stop());
  const gateway = await startGateway(`{dns: {servers: ["${names.address}"]}}`);
  await gateway.put('/routes/1', route('dns', 'nobody.test'));
  expect((await gateway.get('/')).status).toBe(503);
  await gateway.put('/routes/1', route('nacos', 'web'));
  expect((await gateway.get('/')).status).toBe(503);
  expect((await control(gateway, '/v1/discovery/dns/dump'))[0]).toBe(404);
  expect((await control(gateway, '/v1/discovery/nacos/dump'))[0]).toBe(404);
});

test('the first request waits for the name server, further ones for nobody', async () => {
  const names = await new TestNameServer().start();
  cleanups.push(() => names.stop());
  const node = await startNode('one');
  names.zone = { 'web.test': { SRV: [{ target: 'a.test', port: node.port, weight: 1 }] } };
  names.zone['a.test'] = { A: ['127.0.0.1'] };
  const gateway = await startGateway(`{dns: {servers: ["${names.address}"]}}`);
  await gateway.put('/upstreams/1', {
    type: 'chash',
    key: 'remote_addr',
    service_name: 'web.test',
    discovery_type: 'dns',
  });
  await gateway.put('/routes/1', { uri: '/*', upstream_id: '1' });
  expect((await gateway.get('/')).text).toBe('one');
  const { length } = names.asked;
  await Promise.all(Array.from({ length: 10 }, () => gateway.get('/')));
  expect(names.asked).toHaveLength(length);
});

test('nodes of a registry are checked, and forgotten with it', async () => {
  const cluster = await new TestCluster('Endpoints').start();
  cleanups.push(() => cluster.stop());
  const [well, ill] = [await startNode('well'), await startNode('ill')];
  cluster.put('ns', 'web', {
    subsets: [well, ill].flatMap(({ port }) => endpoints(port, 'http', '127.0.0.1').subsets),
  });
  const gateway = await startGateway(
    `{kubernetes: {service: {schema: http, host: 127.0.0.1, port: "${cluster.port}"}, ` +
      'client: {token: abc}}}',
  );
  const each = { interval: 1, successes: 1, http_failures: 1, tcp_failures: 1 };
  await gateway.put(
    '/routes/1',
    route('kubernetes', 'ns/web:http', {
      checks: { active: { http_path: '/', healthy: each, unhealthy: each } },
    }),
  );
  expect((await gateway.get('/')).status).toBe(200);
  const checked = async (): Promise<string> =>
    (await control(gateway, '/v1/healthcheck/routes/1'))[1];
  await eventually(async () => (await checked()).includes(String(ill.port)));
  await ill.close();
  await eventually(async () => /"status":"unhealthy"/.test(await checked()));
  for (let i = 0; i < 5; i++) expect((await gateway.get('/')).text).toBe('well');
  cluster.put('ns', 'web', endpoints(well.port, 'http', '127.0.0.1'));
  await eventually(async () => !(await checked()).includes(String(ill.port)));
  cluster.remove('ns', 'web');
  await eventually(async () => (await gateway.get('/')).status === 503);
});

test('Nacos is asked for what the configuration names, before anybody asks the gateway', async () => {
  const nacos = await new NacosTestServer().start();
  cleanups.push(() => nacos.stop());
  nacos.password = 'n@cos';
  const [one, two] = [await startNode('one'), await startNode('two')];
  nacos.set('web', [{ ip: '127.0.0.1', port: one.port }]);
  nacos.set('web', [{ ip: '127.0.0.1', port: two.port, weight: 3 }], 'ns/g');
  const gateway = await startGateway(`{nacos: {host: ["${nacos.host}"], fetch_interval: 1}}`, 2);
  await gateway.put('/upstreams/1', {
    ...{ type: 'roundrobin', service_name: 'web', discovery_type: 'nacos' },
    discovery_args: { namespace_id: 'ns', group_name: 'g' },
  });
  const services = async (): Promise<unknown> => {
    const [status, text] = await control(gateway, '/v1/discovery/nacos/dump');
    expect(status).toBe(200);
    return (JSON.parse(text) as { services: unknown }).services;
  };
  const wanted = {
    'default/ns/g/web': { nodes: [{ host: '127.0.0.1', port: two.port, weight: 3 }] },
  };
  await eventually(async () => JSON.stringify(await services()) === JSON.stringify(wanted));
  await gateway.put('/routes/1', route('nacos', 'web'));
  await gateway.put('/routes/2', { uri: '/two', upstream_id: '1' });
  expect((await gateway.get('/')).text).toBe('one');
  expect((await gateway.get('/two')).text).toBe('two');
  nacos.set('web', []);
  await eventually(async () => (await gateway.get('/')).status === 503);
});

test('requests go to the nodes that Eureka has, under their names where they have some', async () => {
  const eureka = await new EurekaTestServer().start();
  cleanups.push(() => eureka.stop());
  const node = await startUpstream((request, response) => void response.end(request.headers.host));
  cleanups.push(() => node.close());
  const port = Number(node.node.split(':')[1]);
  eureka.set('WEB', { ipAddr: 'localhost', port });
  const host = `http://127.0.0.1:${eureka.port}`;
  const gateway = await startGateway(
    `{eureka: {host: ["${host}"], prefix: /eureka/, fetch_interval: 1, weight: 80}}`,
  );
  await gateway.put('/routes/1', route('eureka', 'WEB', { pass_host: 'node' }));
  expect((await gateway.get('/')).text).toBe(`localhost:${port}`);
  await eureka.stop();
  expect((await gateway.get('/')).status).toBe(200);
  const [, dump] = await control(gateway, '/v1/discovery/eureka/dump');
  expect(JSON.parse(dump)).toEqual({
    config: { host: [host], prefix: '/eureka/', fetch_interval: 1, weight: 80 },
    services: { WEB: [{ host: 'localhost', port, weight: 80 }] },
  });
});
