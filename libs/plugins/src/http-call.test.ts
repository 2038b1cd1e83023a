import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { HeaderList } from '@polygate/plugin-sdk';
import { afterEach, describe, expect, test } from 'vitest';
import { startService, type TestService } from './http-call.harness.ts';
import { callableUrl, HttpCaller, type HttpRequest } from './http-call.ts';

const keepAlive = { idleMs: 60_000, connectionsMax: 5 };
const signal = new AbortController().signal;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function service(answer: Parameters<typeof startService>[0]): Promise<TestService> {
  const started = await startService(answer);
  closers.push(() => started.close());
  return started;
}

function caller(timeoutMs = 5000): HttpCaller {
  const made = new HttpCaller({ timeoutMs, verifyTls: true, keepAlive });
  closers.push(() => made.close());
  return made;
}

const get = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  url: new URL(url),
  method: 'GET',
  headers: new HeaderList(),
  isRepeatable: true,
  ...more,
});

describe('HttpCaller', () => {
  test('keeps its connection for the next call', async () => {
    const { url, seen } = await service((_request, response) => response.end('hello'));
    const client = caller();
    for (let i = 0; i < 2; i++) {
      expect((await client.call(get(url), signal)).body.toString()).toBe('hello');
    }
    expect(seen[0]?.socket).toBe(seen[1]?.socket);
  });

  test('sends a body with its length, and headers that are there twice', async () => {
    const { url, seen } = await service((_request, response) => response.end());
    const headers = HeaderList.fromRaw(['X-A', '1', 'x-a', '2']);
    await caller().call(get(url, { method: 'POST', body: 'abc', headers }), signal);
    expect(seen[0]).toMatchObject({ method: 'POST', body: 'abc' });
    expect(seen[0]?.headers).toMatchObject({ 'content-length': '3', 'x-a': '1, 2' });
  });

  test('gives up after its time, also within the body of an answer', async () => {
    const { url } = await service((_request, response) => void response.write('a'));
    await expect(caller(50).call(get(url), signal)).rejects.toThrow(/timeout|aborted/);
  });

  test('does not take an answer without end', async () => {
    const { url } = await service((_request, response) => {
      const chunk = Buffer.alloc(1024 * 1024);
      const more = () => response.write(chunk, (error) => (error ? undefined : more()));
      more();
    });
    await expect(caller().call(get(url), signal)).rejects.toThrow('answer of over');
  });

  test('stops when the client goes away', async () => {
    const { url } = await service(() => undefined);
    const abort = new AbortController();
    const call = caller().call(get(url), abort.signal);
    abort.abort();
    await expect(call).rejects.toThrow('aborted');
  });

  test('refuses a header that would start another one', async () => {
    const { url, seen } = await service((_request, response) => response.end());
    const headers = HeaderList.fromRaw(['X-A', '1\r\nX-B: 2']);
    await expect(caller().call(get(url, { headers }), signal)).rejects.toThrow('Invalid character');
    expect(seen).toEqual([]);
  });

  test.each([
    [true, 2],
    [false, 1],
  ])('calls again over a new connection if it may: %s', async (isRepeatable, expected) => {
    // answers the first request of a connection and cuts the connection at its second
    let answered = 0;
    const server = createServer((socket) => {
      let requests = 0;
      socket.on('error', () => undefined);
      socket.on('data', () => {
        requests += 1;
        if (requests > 1) return socket.resetAndDestroy();
        answered += 1;
        return socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = caller();
    await client.call(get(url), signal);
    const again = client.call(get(url, { isRepeatable }), signal);
    if (isRepeatable) expect((await again).status).toBe(200);
    else await expect(again).rejects.toThrow();
    expect(answered).toBe(expected);
  });

  test('goes through a proxy, and says who it is there', async () => {
    const { url, seen } = await service((_request, response) => response.end('of the proxy'));
    const proxy = { HTTP_PROXY: url.replace('http://', 'http://me:secret@') };
    const client = new HttpCaller({ timeoutMs: 5000, verifyTls: true, keepAlive, proxy });
    closers.push(() => client.close());
    const answer = await client.call(get('http://nowhere.test/path'), signal);
    expect(answer.body.toString()).toBe('of the proxy');
    expect(seen[0]?.path).toBe('http://nowhere.test/path');
    const credentials = Buffer.from('me:secret').toString('base64');
    expect(seen[0]?.headers['proxy-authorization']).toBe(`Basic ${credentials}`);
  });

  test('calls http and https only', () => {
    expect(callableUrl('http://127.0.0.1:80/a')?.port).toBe('');
    for (const text of ['', 'ftp://a', 'file:///etc/passwd', '127.0.0.1:80', 'http://']) {
      expect(callableUrl(text)).toBeUndefined();
    }
  });
});
