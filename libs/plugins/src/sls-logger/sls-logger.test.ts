import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestCertificates, validConf } from '@polygate/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  logRequests,
  LONG,
  METHOD_FORMAT,
  receiveTcp,
  type LogReceiver,
} from '../log-sinks/log-server.harness.ts';
import plugin from './sls-logger.ts';

const HOST = { Host: 'a.test' };
let folder: string;
let server: LogReceiver;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sls-logger-'));
  const files = await createTestCertificates(folder);
  const pem = async (file: string) => await readFile(file, 'utf8');
  server = await receiveTcp({
    cert: await pem(files.serverCertFile),
    key: await pem(files.serverKeyFile),
  });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const account = {
  host: '127.0.0.1',
  project: 'p',
  logstore: 'l',
  access_key_id: 'id',
  access_key_secret: 'secret',
};

test('a batch is a line of syslog an entry, with the account in each', async () => {
  const raw = { ...account, port: server.port, ssl_verify: false, ...METHOD_FORMAT };
  await logRequests(plugin, raw, { requests: [{ headers: HOST }, { headers: HOST }] });
  await vi.waitFor(() => expect(server.messages).toHaveLength(1), LONG);
  const lines = (server.messages[0] ?? '').trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(
    /^<46>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z a\.test apisix \d+ - \[logservice /,
  );
  expect(lines[1]).toContain(
    ' project="p" logstore="l" access-key-id="id" access-key-secret="secret"] {',
  );
});

test('a certificate that nobody vouches for gets nothing, unless the conf says so', async () => {
  const before = server.messages.length;
  const { log } = await logRequests(plugin, { ...account, port: server.port, ...METHOD_FORMAT });
  const place = `TCP server: host[127.0.0.1] port[${server.port}] err: `;
  await vi.waitFor(
    () => expect(log.join()).toContain(`failed to perform TLS handshake to ${place}`),
    LONG,
  );
  expect(server.messages).toHaveLength(before);
});

test.each(['host', 'port', 'project', 'logstore', 'access_key_id', 'access_key_secret'])(
  'refuses a conf without %s',
  (name) => {
    const raw = { ...account, port: 1, [name]: undefined };
    expect(() => validConf(plugin.definition, JSON.parse(JSON.stringify(raw)) as object)).toThrow(
      `property "${name}" is required`,
    );
  },
);
