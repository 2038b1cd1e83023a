import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestCertificates, validConf } from '@polygate/testing';
import { expect, test, vi } from 'vitest';
import {
  logRequests,
  LONG,
  METHOD_FORMAT,
  receiveTcp,
  socketMessages,
} from '../log-sinks/log-server.harness.ts';
import plugin from './tcp-logger.ts';

test('a batch is a connection with a list of JSON, a batch of one an object', async () => {
  const server = await receiveTcp();
  expect(await socketMessages(plugin, server)).toEqual([
    '[{"route_id":"1","m":"GET"},{"route_id":"1","m":"PUT"}]',
    '{"route_id":"1","m":"GET"}',
  ]);
  await server.close();
});

test('TLS asks for the name of tls_options and takes any certificate', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tcp-logger-'));
  const files = await createTestCertificates(folder);
  const names: (string | false)[] = [];
  const pem = async (file: string) => await readFile(file, 'utf8');
  const tls = { cert: await pem(files.serverCertFile), key: await pem(files.serverKeyFile) };
  const server = await receiveTcp(tls, (name) => names.push(name));
  const raw = { host: '127.0.0.1', port: server.port, tls: true, ...METHOD_FORMAT };
  await logRequests(plugin, { ...raw, tls_options: 'logs.example.com' });
  await vi.waitFor(() => expect(server.messages).toHaveLength(1), LONG);
  expect(server.messages[0]).toBe('[{"route_id":"1","m":"GET"}]');
  expect(names).toEqual(['logs.example.com']);
  await server.close();
  await rm(folder, { recursive: true });
});

test('a server that is not there, or does not speak TLS, is named in the log', async () => {
  const server = await receiveTcp();
  const raw = { host: '127.0.0.1', port: server.port, batch_max_size: 1 };
  const plain = await logRequests(plugin, { ...raw, tls: true, timeout: 300 });
  const place = `TCP server: host[127.0.0.1] port[${server.port}] err: `;
  await vi.waitFor(
    () => expect(plain.log.join()).toContain(`failed to perform TLS handshake to ${place}`),
    LONG,
  );
  await server.close();
  const gone = await logRequests(plugin, raw);
  await vi.waitFor(
    () => expect(gone.log.join()).toContain(`failed to connect to ${place}connection refused`),
    LONG,
  );
});

test('refuses a conf without host or port', () => {
  expect(() => validConf(plugin.definition, { port: 1 })).toThrow('property "host" is required');
  expect(() => validConf(plugin.definition, { host: 'a' })).toThrow('property "port" is required');
});
