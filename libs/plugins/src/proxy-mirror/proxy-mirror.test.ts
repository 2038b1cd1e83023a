import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { mountPlugin, validConf } from '@polygate/testing';
import type { PluginRequest, PluginRun } from '@polygate/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import plugin from './proxy-mirror.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let mirror: Server;
let seen: Seen[];
const cleanups: (() => void)[] = [];
beforeEach(async () => {
  seen = [];
  mirror = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(500).end();
    });
  });
  await new Promise<void>((done) => void mirror.listen(0, '127.0.0.1', done));
  cleanups.push(() => void mirror.close());
});
afterEach(() => cleanups.splice(0).forEach((clean) => clean()));

const hostOf = (server: { address(): unknown }): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function run(raw: object, request: PluginRequest, attr: object = {}): Promise<PluginRun> {
  const conf = validConf(plugin.definition, { host: hostOf(mirror), ...raw });
  const mounted = mountPlugin(plugin, conf, { attr: attr as Record<string, unknown> });
  cleanups.push(() => mounted.dispose());
  return mounted.request(request);
}

const arrived = (): Promise<Seen> =>
  vi.waitFor(() => seen[0] ?? Promise.reject(new Error('nothing came')), { timeout: 4000 });

describe('proxy-mirror', () => {
  test('sends a copy, and answers what the upstream answers', async () => {
    const headers = { Host: 'example.com', 'X-Own': ['a', 'b'], Connection: 'x' };
    const { text } = await run({}, { target: '/a%20b?x=1', headers });
    expect(text).toBe('hello world\n');
    const copy = await arrived();
    expect([copy.method, copy.url]).toEqual(['GET', '/a%20b?x=1']);
    expect(copy.headers).toMatchObject({ 'x-own': 'a, b', connection: 'close' });
  });

  test('copies the body', async () => {
    await run({}, { method: 'POST', body: 'payload', headers: { 'Content-Length': '7' } });
    const { method, body, headers } = await arrived();
    expect([method, body, headers['content-length']]).toEqual(['POST', 'payload', '7']);
  });

  test.each([
    [{ path: '/copy' }, '/copy?x=1'],
    [{ path: '/copy', path_concat_mode: 'prefix' }, '/copy/hello?x=1'],
  ])('%j makes the path %s', async (raw, url) => {
    await run(raw, { target: '/hello?x=1' });
    expect((await arrived()).url).toBe(url);
  });

  test('sends copies of a part of the requests', async () => {
    vi.spyOn(Math, 'random').mockReturnValueOnce(0.5).mockReturnValueOnce(0.05);
    await run({ sample_ratio: 0.1 }, { target: '/no' });
    await run({ sample_ratio: 0.1 }, { target: '/yes' });
    await arrived();
    expect(seen.map(({ url }) => url)).toEqual(['/yes']);
  });

  test('does nothing to a request whose mirror is not there, or says nothing', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((done) => void silent.listen(0, '127.0.0.1', done));
    cleanups.push(() => {
      silent.closeAllConnections();
      silent.close();
    });
    expect((await run({ host: 'http://127.0.0.1:1' }, {})).status).toBe(200);
    const attr = { timeout: { read: '50ms' } };
    expect((await run({ host: hostOf(silent) }, {}, attr)).status).toBe(200);
  });

  test('mirrors gRPC over HTTP/2', async () => {
    const paths: string[] = [];
    const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        paths.push(
          `${String(headers[':path'])} ${String(headers.te)} ${Buffer.concat(chunks).toString()}`,
        );
        stream.respond({ ':status': 200 }, { endStream: true });
      });
    });
    await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
    cleanups.push(() => void server.close());
    const host = hostOf(server).replace('http', 'grpc');
    await run({ host }, { method: 'POST', target: '/pkg.Service/Call', body: 'message' });
    await vi.waitFor(() => expect(paths).toEqual(['/pkg.Service/Call trailers message']));
  });
});

describe('the conf of proxy-mirror', () => {
  test.each([
    [{}, 'property "host" is required'],
    [{ host: 'ftp://127.0.0.1' }, 'failed to match pattern'],
    [{ host: 'http://127.0.0.1:1/path' }, 'failed to match pattern'],
    [{ host: 'https://[:a:]' }, 'property "host" validation failed: https://[:a:] is no address'],
    [{ host: 'grpc://a:99999' }, 'grpc://a:99999 is no address'],
    [{ host: 'http://a', path: 'no' }, 'failed to match pattern'],
    [{ host: 'http://a', sample_ratio: 10 }, 'expected 10 to be at most 1'],
  ])('%j is refused', (raw, message) => {
    expect(() => validConf(plugin.definition, raw)).toThrow(message);
  });
});
