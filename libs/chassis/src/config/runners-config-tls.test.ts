import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'chassis-tls-'));
const file = (name: string): string => join(folder, name);
beforeAll(() => {
  for (const name of ['one', 'two']) {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`), '-days', '2'],
        ...['-subj', `/CN=${name}`],
      ],
      { stdio: 'ignore' },
    );
  }
  writeFileSync(file('no.pem'), 'no certificate');
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(runner_manager: object) {
  const path = file('config.yaml');
  writeFileSync(path, JSON.stringify({ polygate: { runner_manager } }));
  return loadConfig(path, {});
}

const pair = { cert: file('one.pem'), key: file('one.key') };
const listen = '0.0.0.0:9280';

test('both sides of the link to a manager have their certificates, and no warning then', () => {
  const { polygate, warnings } = load({
    listen,
    address: 'runners:9280',
    listen_tls: { ...pair, client_ca: file('two.pem') },
    address_tls: { ca: file('two.pem'), ...pair, server_name: 'runner-manager' },
  });
  expect(polygate.runnerManager).toMatchObject({
    listenTls: { certFile: pair.cert, keyFile: pair.key, clientCaFile: file('two.pem') },
    addressTls: {
      ...{ caFile: file('two.pem'), certFile: pair.cert, keyFile: pair.key },
      serverName: 'runner-manager',
    },
  });
  expect(warnings).toEqual([]);
});

test('without them the link is in clear, and a manager on the network is warned of', () => {
  const { polygate, warnings } = load({ listen });
  expect(polygate.runnerManager).not.toHaveProperty('listenTls');
  expect(polygate.runnerManager).not.toHaveProperty('addressTls');
  expect(warnings).toEqual([expect.stringContaining('is not encrypted')]);
});

const LISTEN = 'polygate.runner_manager.listen_tls';
const ADDRESS = 'polygate.runner_manager.address_tls';
const ca = { client_ca: file('one.pem') };

test.each<[string, object, string]>([
  ['no authority', { listen, listen_tls: pair }, `${LISTEN}.client_ca: has to be written`],
  ['a unix socket', { listen_tls: { ...pair, ...ca } }, `${LISTEN}: needs runner_manager.listen`],
  [
    'a key of another certificate',
    { listen, listen_tls: { ...pair, ...ca, key: file('two.key') } },
    `${LISTEN}.key: ${file('two.key')} is not the key of ${pair.cert}`,
  ],
  [
    'what is no certificate',
    { listen, listen_tls: { ...pair, client_ca: file('no.pem') } },
    `${LISTEN}.client_ca: ${file('no.pem')} holds no certificate in PEM`,
  ],
  [
    'what is no key',
    { listen, listen_tls: { ...pair, ...ca, key: pair.cert } },
    `${LISTEN}.key: ${pair.cert} holds no private key without a passphrase in PEM`,
  ],
  [
    'a file that is not there',
    { address: 'a:1', address_tls: { ca: file('gone.pem') } },
    `${ADDRESS}.ca: there is no file ${file('gone.pem')}`,
  ],
  [
    'a folder',
    { address: 'a:1', address_tls: { ca: folder } },
    `${ADDRESS}.ca: ${folder} cannot be read (EISDIR)`,
  ],
  [
    'half a pair',
    { address: 'a:1', address_tls: { cert: pair.cert } },
    `${ADDRESS}: cert and key belong together`,
  ],
  ['no address on the network', { address_tls: {} }, `${ADDRESS}: needs an address that is`],
])('%s is a problem that names the key', (_name, manager, problem) => {
  expect(() => load(manager)).toThrow(problem);
});
