import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import https from 'node:https';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestCertificates } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import { checkSettings } from './check-settings.ts';
import type { Checks, Target } from './check-settings.ts';
import { probe } from './probe.ts';
import type { Outcome } from './target-state.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Its port; tells what each connection sent. */
async function startTcp(onData: (socket: net.Socket, text: string) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => onData(socket, chunk.toString()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function ask(
  port: number,
  active: NonNullable<Checks['active']>,
  more: { target?: Partial<Target>; authorities?: readonly string[] } = {},
): Promise<Outcome> {
  const target = { ip: '127.0.0.1', port, hostname: 'a.test', hostHeader: 'a.test' };
  const { probe: settings } = checkSettings({ active: { timeout: 5, ...active } });
  return new Promise((resolve) => {
    const options = { settings, authorities: more.authorities };
    probe({ ...target, ...more.target }, options, resolve);
  });
}

test('a probe is one request, whose status counts', async () => {
  let sent = '';
  const port = await startTcp((socket, text) => {
    sent += text;
    socket.write('HTTP/1.1 20');
    setImmediate(() => socket.write('4 No Content\r\nServer: x\r\n\r\n'));
  });
  const active = {
    http_path: '/status?x',
    http_method: 'POST',
    http_req_body: 'caf\u00e9',
    req_headers: ['User-Agent: probe', 'X-A: 1\r\nX-B: 2'],
  };
  expect(await ask(port, active)).toEqual({ kind: 'status', status: 204 });
  expect(sent.split('\r\n')).toEqual([
    'POST /status?x HTTP/1.1',
    'Connection: close',
    'User-Agent: probe',
    'X-A: 1 X-B: 2',
    'Content-Length: 5',
    'Host: a.test',
    '',
    'caf\u00e9',
  ]);
});

test('a tcp probe only connects', async () => {
  const port = await startTcp(() => undefined);
  expect(await ask(port, { type: 'tcp' })).toEqual({ kind: 'success' });
});

test('a node that refuses or hangs up has failed, one that is silent has timed out', async () => {
  const hangsUp = await startTcp((socket) => socket.destroy());
  expect(await ask(hangsUp, {})).toEqual({ kind: 'tcp' });
  expect(await ask(1, {})).toEqual({ kind: 'tcp' });
  const silent = await startTcp(() => undefined);
  expect(await ask(silent, { timeout: 0.05 })).toEqual({ kind: 'timeout' });
});

test('what is no HTTP has no status, and is not read without end', async () => {
  const other = await startTcp((socket) => socket.write('SSH-2.0-x\r\n'));
  expect(await ask(other, {})).toEqual({ kind: 'status', status: 0 });
  const endless = await startTcp((socket) => socket.write('x'.repeat(20_000)));
  expect(await ask(endless, {})).toEqual({ kind: 'status', status: 0 });
});

test('an https probe verifies the certificate, unless it is told not to', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polygate-probe-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const files = await createTestCertificates(folder);
  const names: (string | false | null)[] = [];
  const server = https.createServer(
    { cert: readFileSync(files.serverCertFile), key: readFileSync(files.serverKeyFile) },
    (_, response) => response.end(),
  );
  server.on('secureConnection', (socket) => names.push(socket.servername));
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const authorities = [readFileSync(files.caFile, 'utf8')];
  const well = { kind: 'status', status: 200 };
  const failed = { kind: 'tcp' };
  const known = { target: { hostHeader: 'localhost' } };
  expect(await ask(port, { type: 'https' }, { ...known, authorities })).toEqual(well);
  expect(await ask(port, { type: 'https' }, known)).toEqual(failed);
  expect(await ask(port, { type: 'https' }, { authorities })).toEqual(failed);
  const lax = { type: 'https', https_verify_certificate: false } as const;
  expect(await ask(port, lax)).toEqual(well);
  expect(names).toContain('localhost');
  expect(names).toContain('a.test');
});
