import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from './gateway.harness.ts';
import type { RunningGateway, TestUpstream } from './gateway.harness.ts';

let gateway: RunningGateway;
let echo: TestUpstream;
const logged: { uri: string; n: string }[] = [];
/** Answers when it is told to. */
let isUp = true;
const sink = http.createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    // a batch of one is no list
    if (isUp) logged.push(...[JSON.parse(Buffer.concat(chunks).toString())].flat());
    response.writeHead(isUp ? 200 : 503).end();
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  [gateway, echo] = await Promise.all([
    runGateway({
      workers: 2,
      apisix: 'id: gateway-a',
      more: 'plugins: [http-logger, node-status, public-api, prometheus]',
    }),
    startUpstream(),
  ]);
});
afterAll(async () => {
  await echo.close();
  sink.close();
  sink.closeAllConnections();
});

const route = (more: object) => ({
  uri: '/logged',
  upstream: { type: 'roundrobin', nodes: { [echo.node]: 1 } },
  plugins: {
    'http-logger': {
      uri: `http://127.0.0.1:${(sink.address() as AddressInfo).port}/in`,
      log_format: { n: '$arg_n' },
      ...more,
    },
  },
});
const numbersLogged = () => logged.map(({ n }) => Number(n)).sort((a, b) => a - b);

test('node-status counts the connections of all workers', async () => {
  await gateway.put('/routes/status', { uri: '/apisix/status', plugins: { 'public-api': {} } });
  const replies = await Promise.all(Array.from({ length: 8 }, () => gateway.get('/apisix/status')));
  const last = await gateway.get('/apisix/status');
  const { id, status } = JSON.parse(last.text);
  expect(id).toBe('gateway-a');
  expect(replies.every((reply) => reply.status === 200)).toBe(true);
  expect(Number(status.total)).toBeGreaterThanOrEqual(9);
  expect(Number(status.accepted)).toBe(Number(status.handled));
  expect(Number(status.active)).toBeGreaterThanOrEqual(1);
});

test('prometheus shows the metrics of all workers where it has no server of its own', async () => {
  const plugins = { 'public-api': {} };
  await gateway.put('/routes/metrics', { uri: '/apisix/prometheus/metrics', plugins });
  await gateway.put('/routes/counted', {
    uri: '/counted',
    plugins: { prometheus: {} },
    upstream: { type: 'roundrobin', nodes: { [echo.node]: 1 } },
  });
  await Promise.all(Array.from({ length: 8 }, () => gateway.get('/counted')));
  const counted = async () => {
    const { text } = await gateway.get('/apisix/prometheus/metrics');
    return /^apisix_http_status\{code="200",route="counted".*\} (\d+)$/m.exec(text)?.[1];
  };
  await eventually(async () => (await counted()) === '8');
});

test('entries that wait are sent on a change, after an outage, and at the end of the process', async () => {
  await gateway.put('/routes/l', route({}));
  await gateway.get('/logged?n=1');
  await gateway.put(
    '/routes/l',
    route({ batch_max_size: 1, max_retry_count: 1000, retry_delay: 1 }),
  );
  await eventually(() => numbersLogged().includes(1));

  isUp = false;
  for (let n = 2; n <= 20; n++) {
    // the path of requests does not know of the outage
    expect((await gateway.get(`/logged?n=${n}`)).status).toBe(200);
  }
  isUp = true;
  await eventually(() => logged.length >= 20);
  expect(numbersLogged()).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));

  await gateway.put('/routes/l', route({ inactive_timeout: 3600 }));
  for (let n = 21; n <= 30; n++) await gateway.get(`/logged?n=${n}`);
  await gateway.stop();
  expect(numbersLogged()).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
});
