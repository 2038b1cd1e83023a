import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NameError } from './name-error.ts';
import { NameResolver } from './name-resolver.ts';
import type { NameResolverOptions } from './name-resolver.ts';
import { TestNameServer } from './name-server.harness.ts';
import { parseHosts, parseResolv, SystemNames } from './system-names.ts';

let server: TestNameServer;
let folder: string;

beforeEach(async () => {
  server = await new TestNameServer().start();
  folder = mkdtempSync(path.join(tmpdir(), 'names-'));
});
afterEach(() => {
  server.stop();
  rmSync(folder, { recursive: true });
});

function resolver(more: Partial<NameResolverOptions> = {}): NameResolver {
  const hosts = path.join(folder, 'hosts');
  const resolv = path.join(folder, 'resolv.conf');
  writeFileSync(hosts, '127.0.0.9 own.test # mine\n');
  writeFileSync(resolv, 'search inner.test\noptions ndots:2\n');
  return new NameResolver({
    servers: [server.address],
    validMs: undefined,
    timeoutMs: 300,
    ipv6: true,
    names: new SystemNames({ hosts, resolv }),
    ...more,
  });
}

function addressesOf(names: NameResolver, name: string): Promise<string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  names.lookup(name, { all: true }, (error, found) => {
    if (error !== null) reject(error);
    else resolve([found].flat().map((one) => (typeof one === 'string' ? one : one.address)));
  });
  return promise;
}

test('a name of the hosts file is not asked for', async () => {
  const names = resolver();
  expect(await addressesOf(names, 'OWN.test')).toEqual(['127.0.0.9']);
  expect(server.asked).toEqual([]);
});

test('a name is asked for once while its record is valid, by however many', async () => {
  server.zone = { 'a.b.test': { A: ['127.0.0.5', '127.0.0.6'] } };
  const names = resolver();
  const all = await Promise.all(Array.from({ length: 10 }, () => addressesOf(names, 'a.b.test')));
  expect(new Set(all.flat())).toEqual(new Set(['127.0.0.5', '127.0.0.6']));
  await addressesOf(names, 'a.b.test');
  expect(server.asked).toEqual(['a.b.test A']);
});

test('search domains complete a short name, and come first where it has few dots', async () => {
  server.zone = { 'app.inner.test': { A: ['127.0.0.7'] }, 'far.b.test': { A: ['127.0.0.8'] } };
  const names = resolver();
  expect(await addressesOf(names, 'app')).toEqual(['127.0.0.7']);
  expect(await addressesOf(names, 'far.b.test')).toEqual(['127.0.0.8']);
  expect(server.asked).toEqual(['app.inner.test A', 'far.b.test A']);
});

test('AAAA is asked for where there is no A, unless IPv6 is off', async () => {
  server.zone = { 'six.b.test': { AAAA: ['fd00::1'] } };
  expect(await addressesOf(resolver(), 'six.b.test')).toEqual(['fd00::1']);
  await expect(addressesOf(resolver({ ipv6: false }), 'six.b.test')).rejects.toBeInstanceOf(
    NameError,
  );
});

test('a name that nobody knows fails with its name', async () => {
  await expect(addressesOf(resolver(), 'no.b.test')).rejects.toThrow('failed to resolve no.b.test');
});

test('what is too old is served while it is asked anew, and serves on while no server answers', async () => {
  server.zone = { 'a.b.test': { A: ['127.0.0.5'], ttl: 0 } };
  const names = resolver();
  expect(await addressesOf(names, 'a.b.test')).toEqual(['127.0.0.5']);
  server.zone = { 'a.b.test': { A: ['127.0.0.6'], ttl: 0 } };
  await expect.poll(() => addressesOf(names, 'a.b.test'), { timeout: 5000 }).toEqual(['127.0.0.6']);
  expect(names.leadsTo('a.b.test', '127.0.0.5')).toBe(false);
  expect(names.leadsTo('a.b.test', '127.0.0.6')).toBe(true);

  server.zone = { 'a.b.test': { isBroken: true } };
  const before = server.asked.length;
  await expect
    .poll(async () => (await addressesOf(names, 'a.b.test'), server.asked.length), {
      timeout: 5000,
    })
    .toBeGreaterThan(before);
  expect(await addressesOf(names, 'a.b.test')).toEqual(['127.0.0.6']);
});

test('a name that is gone for sure serves no longer', async () => {
  server.zone = { 'a.b.test': { A: ['127.0.0.5'], ttl: 0 } };
  const names = resolver();
  await addressesOf(names, 'a.b.test');
  server.zone = {};
  const outcome = () =>
    addressesOf(names, 'a.b.test').then(
      () => 'known',
      () => 'gone',
    );
  await expect.poll(outcome, { timeout: 5000 }).toBe('gone');
});

test('a server that says nothing is waited for so long only', async () => {
  server.isSilent = true;
  await expect(addressesOf(resolver({ timeoutMs: 100 }), 'a.b.test')).rejects.toBeInstanceOf(
    NameError,
  );
});

test('the files of the system are read as they are written', () => {
  expect(parseHosts('127.0.0.1 localhost box # home\n::1 localhost\nnonsense here\n')).toEqual(
    new Map([
      ['localhost', ['127.0.0.1', '::1']],
      ['box', ['127.0.0.1']],
    ]),
  );
  expect(parseResolv('nameserver 1.1.1.1\nsearch a.test B.test.\noptions ndots:5 rotate')).toEqual({
    domains: ['a.test', 'b.test'],
    ndots: 5,
  });
});
