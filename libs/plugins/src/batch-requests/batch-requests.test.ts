import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MemoryContext, memoryLog, memoryNode, memorySettings } from '@polygate/testing';
import type { LocalReply } from '@polygate/plugin-sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import plugin from './batch-requests.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let gateway: Server;
let seen: Seen[] = [];
beforeAll(async () => {
  gateway = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      seen.push({ method: request.method, url: request.url, headers: request.headers, body });
      if (request.url === '/slow') return;
      response.writeHead(201, { 'X-Res': ['a', 'b'] }).end(Buffer.from([0x68, 0xff]));
    });
  });
  await new Promise<void>((done) => void gateway.listen(0, '127.0.0.1', done));
});
afterAll(() => {
  gateway.closeAllConnections();
  gateway.close();
});

async function send(
  body: object | string | undefined,
  more: { metadata?: object; headers?: Record<string, string> } = {},
): Promise<{ readonly reply: LocalReply; readonly answers: Record<string, unknown>[] }> {
  seen = [];
  const text = typeof body === 'object' ? JSON.stringify(body) : body;
  const init = { method: 'POST', target: '/apisix/batch-requests', ...more };
  const ctx = new MemoryContext(
    { ...init, clientAddress: '10.1.2.3', ...(text !== undefined && { body: text }) },
    memoryLog(),
  );
  Object.assign(ctx, { server: gateway.address() as AddressInfo });
  const metadata = (): Record<string, unknown> => ({ ...more.metadata });
  const [api] =
    plugin.publicApis?.({}, { metadata, settings: memorySettings(), node: memoryNode() }) ?? [];
  const reply = (await api?.handle(ctx)) as LocalReply;
  const isBytes = reply.body instanceof Uint8Array;
  const sent = isBytes ? Buffer.from(reply.body).toString('latin1') : '[]';
  return { reply, answers: JSON.parse(sent) as Record<string, unknown>[] };
}

describe('batch-requests', () => {
  test('answers with the answers, in order, whatever bytes they are', async () => {
    const { reply, answers } = await send({ pipeline: [{ path: '/b' }, { path: '/c' }] });
    expect(reply.status).toBe(200);
    expect(reply.headers).toEqual({ 'Content-Type': 'application/json' });
    expect(seen.map(({ url }) => url)).toEqual(['/b', '/c']);
    expect(answers).toHaveLength(2);
    const { status, reason, headers, body } = answers[0] as Record<string, Record<string, unknown>>;
    expect([status, reason, body]).toEqual([201, 'Created', 'h\xff']);
    expect(headers?.['X-Res']).toEqual(['a', 'b']);
  });

  test('gives requests the headers and arguments of the batch, and the headers of the client', async () => {
    const client = { Cookie: 'c', 'Content-Encoding': 'gzip', Own: 'client', Connection: 'close' };
    const host = 'example.com';
    await send(
      {
        headers: { Base: 'b', Own: 'batch', 'X-REAL-IP': '9.9.9.9', 'Content-Length': '77' },
        query: { base: 1, own: 'batch', flag: true, 'a b': ['x', 'y'] },
        pipeline: [
          { path: '/b', method: 'PUT', headers: { Own: 'item' }, query: { own: 'i' }, body: 'é' },
          { path: '/c' },
        ],
      },
      { headers: { ...client, Host: host } },
    );
    const [first, second] = seen;
    expect(first?.url).toBe('/b?base=1&own=i&flag&a%20b=x&a%20b=y');
    expect(first).toMatchObject({ method: 'PUT', body: 'é' });
    expect(first?.headers).toMatchObject({ own: 'item', base: 'b', cookie: 'c', host });
    expect(first?.headers['x-real-ip']).toBe('10.1.2.3');
    expect(first?.headers['content-encoding']).toBeUndefined();
    expect(second?.headers).toMatchObject({ own: 'batch' });
    expect(second).toMatchObject({ method: 'GET', body: '' });
  });

  test('waits no longer than it is told, and goes on with the next request', async () => {
    const { answers } = await send({ timeout: 50, pipeline: [{ path: '/slow' }, { path: '/c' }] });
    expect(answers[0]).toEqual({ status: 504, reason: 'upstream timeout' });
    expect(answers[1]?.['status']).toBe(201);
  });

  test.each([
    [undefined, 'no request body, you should give at least one pipeline setting'],
    [
      'invalid json',
      'invalid request body: invalid json, err: Expected value but found invalid token at character 1',
    ],
    [{ pipeline1: [] }, 'bad request body: object matches none of the required: ["pipeline"]'],
    [
      { timeout: '1', pipeline: [{ path: '/' }] },
      'bad request body: property "timeout" validation failed: wrong type: expected integer, got string',
    ],
    [{ pipeline: [{ path: '/', x: 1 }] }, 'additional properties forbidden, found x'],
    [{ pipeline: [{ path: '/', headers: { 'a\nb': 'c' } }] }, 'request failed: '],
    [{ pipeline: [{ path: '/a b' }] }, 'request failed: '],
    [{ pipeline: [{ path: '/', headers: { a: 'b\r\nc: d' } }] }, 'request failed: '],
  ])('refuses %j', async (body, message) => {
    const { reply } = await send(body);
    expect(reply.status).toBe(400);
    expect((reply.body as { error_msg: string }).error_msg).toContain(message);
    expect(seen).toEqual([]);
  });

  test('has the limits that its metadata says', async () => {
    const pipeline = [{ path: '/b' }, { path: '/b' }];
    const few = await send({ pipeline }, { metadata: { max_pipeline_items: 1 } });
    expect(few.reply).toEqual({
      status: 400,
      body: { error_msg: 'too many pipeline requests, 2 exceeds the maximum of 1' },
    });
    const small = await send({ pipeline }, { metadata: { max_body_size: 10 } });
    expect(small.reply).toEqual({
      status: 413,
      body: { error_msg: 'request size 42 is greater than the maximum size 10 allowed' },
    });
    expect(seen).toEqual([]);
  });
});
