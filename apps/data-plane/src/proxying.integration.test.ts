import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from './gateway.harness.ts';
import type { RunningGateway, TestUpstream } from './gateway.harness.ts';

let gateway: RunningGateway;
let echo: TestUpstream;

beforeAll(async () => {
  [gateway, echo] = await Promise.all([runGateway({}), startUpstream()]);
});
afterAll(async () => {
  await gateway.stop();
  await echo.close();
});

const to = (...nodes: string[]): object => ({
  type: 'roundrobin',
  nodes: Object.fromEntries(nodes.map((node) => [node, 1])),
});

/** A port where nobody listens. */
async function deadNode(): Promise<string> {
  const upstream = await startUpstream();
  await upstream.close();
  return upstream.node;
}

describe('proxying', () => {
  test('answers 404 as APISIX does where no route matches', async () => {
    const { status, text, headers } = await gateway.get('/nowhere');
    expect(status).toBe(404);
    expect(text).toBe('{"error_msg":"404 Route Not Found"}\n');
    expect(headers['server']).toMatch(/^Polygate\/\d/);
  });

  test('passes method, target, body and end-to-end headers, and says where it comes from', async () => {
    await gateway.put('/routes/pass', { uri: '/pass/*', upstream: to(echo.node) });
    const { status, text } = await gateway.get('/pass/a%20b//c?x=%2F&y', {
      method: 'POST',
      body: 'hello',
      headers: {
        Host: 'a.test:99',
        'X-Custom': 'Yes',
        Connection: 'X-Hop, keep-alive',
        'X-Hop': 'one',
        'X-Forwarded-For': '1.2.3.4',
        'X-Forwarded-Proto': 'https',
        Forwarded: 'for=6.6.6.6',
      },
    });
    expect(status).toBe(200);
    const seen = JSON.parse(text);
    expect(seen).toMatchObject({ method: 'POST', url: '/pass/a%20b//c?x=%2F&y', body: 'hello' });
    expect(seen.headers).toMatchObject({
      host: 'a.test:99',
      'x-custom': 'Yes',
      'x-forwarded-for': '1.2.3.4, 127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'a.test:99',
      'x-forwarded-port': '99',
      'x-real-ip': '127.0.0.1',
    });
    expect(seen.headers).not.toHaveProperty('x-hop');
    expect(seen.headers).not.toHaveProperty('forwarded');
    expect(seen.headers).not.toHaveProperty('connection');
  });

  test('streams a chunked body of a megabyte unchanged', async () => {
    await gateway.put('/routes/pass', { uri: '/pass/*', upstream: to(echo.node) });
    const body = 'x'.repeat(1_000_000);
    const { text } = await gateway.get('/pass/big', {
      method: 'PUT',
      body,
      headers: { 'Transfer-Encoding': 'chunked' },
    });
    expect(JSON.parse(text).body).toBe(body);
  });

  test('hands on the first event of a stream before the second exists', async () => {
    let second: () => void = () => undefined;
    const stream = await startUpstream((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('data: 1\n\n');
      second = () => response.end('data: 2\n\n');
    });
    await gateway.put('/routes/sse', { uri: '/sse', upstream: to(stream.node) });
    const socket = net.connect(gateway.port, '127.0.0.1');
    socket.write('GET /sse HTTP/1.1\r\nHost: a\r\n\r\n');
    let got = '';
    socket.on('data', (chunk) => (got += chunk.toString()));
    await eventually(() => got.includes('data: 1'));
    expect(got).not.toContain('data: 2');
    second();
    await eventually(() => got.includes('data: 2'));
    socket.destroy();
    await stream.close();
  });

  test('goes to the next node when one refuses connections', async () => {
    await gateway.put('/routes/retry', {
      uri: '/retry',
      upstream: to(await deadNode(), echo.node),
    });
    for (let i = 0; i < 4; i++) {
      const { status } = await gateway.get('/retry', { method: 'POST', body: 'b' });
      expect(status).toBe(200);
    }
  });

  test('does not send a POST twice when a node took it and hung up', async () => {
    const rude = await startUpstream((message) => message.socket.destroy());
    await gateway.put('/routes/rude', {
      uri: '/rude',
      upstream: { ...to(rude.node), nodes: { [rude.node]: 1, [echo.node]: 0 } },
    });
    const { status, text, headers } = await gateway.get('/rude', { method: 'POST', body: 'b' });
    expect(status).toBe(502);
    expect(text).toContain('<h1>502 Bad Gateway</h1>');
    expect(headers['x-apisix-upstream-status']).toBe('502');
    expect(rude.requests).toHaveLength(1);
    await rude.close();
  });

  test('answers 504 when the upstream does not answer within its read timeout', async () => {
    const slow = await startUpstream(() => undefined);
    await gateway.put('/routes/slow', {
      uri: '/slow',
      timeout: { connect: 1, send: 0.2, read: 0.2 },
      upstream: { ...to(slow.node), retries: 0 },
    });
    expect((await gateway.get('/slow')).status).toBe(504);
    await slow.close();
  });

  test('cuts the client off when the upstream cuts its answer', async () => {
    const liar = await startUpstream((_, response) => {
      response.writeHead(200, { 'Content-Length': '100' });
      response.write('short');
      setTimeout(() => response.destroy(), 20);
    });
    await gateway.put('/routes/liar', { uri: '/liar', upstream: to(liar.node) });
    await expect(gateway.get('/liar')).rejects.toThrow();
    await liar.close();
  });

  test('answers 503 when the node has no address', async () => {
    await gateway.put('/routes/unresolved', { uri: '/unresolved', upstream: to('no.invalid:80') });
    const { status, headers } = await gateway.get('/unresolved');
    expect(status).toBe(503);
    expect(headers).not.toHaveProperty('x-apisix-upstream-status');
  });

  test('answers 503 without a usable node, 502 without the upstream', async () => {
    await gateway.put('/routes/none', {
      uri: '/none',
      upstream: { type: 'roundrobin', nodes: {} },
    });
    await gateway.put('/routes/gone', { uri: '/gone', upstream_id: 'gone' });
    expect((await gateway.get('/none')).status).toBe(503);
    expect((await gateway.get('/gone')).status).toBe(502);
  });

  test('sends the Host that pass_host asks for', async () => {
    const hostSeen = async (upstream: object): Promise<string> => {
      await gateway.put('/routes/host', { uri: '/host', upstream });
      const { text } = await gateway.get('/host', { headers: { Host: 'client.test' } });
      return JSON.parse(text).headers.host;
    };
    const base = to(echo.node);
    expect(await hostSeen(base)).toBe('client.test');
    expect(await hostSeen({ ...base, pass_host: 'node' })).toBe(echo.node);
    const rewrite = { ...base, pass_host: 'rewrite', upstream_host: 'new.test' };
    expect(await hostSeen(rewrite)).toBe('new.test');
  });

  test('picks up an upstream that changes behind its id', async () => {
    const other = await startUpstream((_, response) => response.end('other'));
    await gateway.put('/upstreams/1', to(echo.node));
    await gateway.put('/routes/byid', { uri: '/byid', upstream_id: '1' });
    expect((await gateway.get('/byid')).text).toContain('"method":"GET"');
    await gateway.put('/upstreams/1', to(other.node));
    expect((await gateway.get('/byid')).text).toBe('other');
    await other.close();
  });

  test('refuses what is no request: bad escapes, paths out of the root', async () => {
    expect((await gateway.get('/%zz')).status).toBe(400);
    expect((await gateway.get('/../../etc/passwd')).status).toBe(400);
  });
});

describe('X-APISIX-Upstream-Status', () => {
  const statusesOf = async (one: RunningGateway, code: number): Promise<Set<unknown>> => {
    const last = await startUpstream((_, response) => response.writeHead(code).end());
    await one.put('/routes/status', { uri: '/status', upstream: to(await deadNode(), last.node) });
    const seen = new Set<unknown>();
    for (let i = 0; i < 4; i++) {
      seen.add((await one.get('/status')).headers['x-apisix-upstream-status']);
    }
    await last.close();
    return seen;
  };

  test('lists every try, where the last one failed', async () => {
    expect(await statusesOf(gateway, 500)).toEqual(new Set(['500', '502, 500']));
    expect(await statusesOf(gateway, 404)).toEqual(new Set([undefined]));
  });

  test('is always there when the configuration says so, and not on answers of our own', async () => {
    const other = await runGateway({
      apisix: 'show_upstream_status_in_response_header: true\n  enable_server_tokens: false',
    });
    expect(await statusesOf(other, 200)).toEqual(new Set(['200', '502, 200']));
    const { headers } = await other.get('/nowhere');
    expect([headers['x-apisix-upstream-status'], headers['server']]).toEqual([
      undefined,
      'Polygate',
    ]);
    await other.stop();
  });
});
