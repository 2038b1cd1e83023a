import dgram from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NameError } from './name-error.ts';
import { NameResolver } from './name-resolver.ts';
import type { NameResolverOptions } from './name-resolver.ts';
import { parseHosts, parseResolv, SystemNames } from './system-names.ts';

const TYPE_A = 1;
const TYPE_AAAA = 28;

interface Zone {
  [name: string]: { a?: string[]; aaaa?: string; ttl?: number; serverFails?: boolean };
}

/** A name server that speaks the real protocol, as far as A and AAAA go. */
class NameServer {
  readonly #socket = dgram.createSocket('udp4');
  readonly asked: string[] = [];
  zone: Zone = {};
  isSilent = false;

  async start(): Promise<string> {
    this.#socket.on('message', (question, { address, port }) => {
      const answer = this.#answer(question);
      if (!this.isSilent) this.#socket.send(answer, port, address);
    });
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  close(): void {
    this.#socket.close();
  }

  #answer(question: Buffer): Buffer {
    const labels: string[] = [];
    let at = 12;
    while (question[at] !== 0) {
      const length = question[at] as number;
      labels.push(question.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = labels.join('.').toLowerCase();
    const type = question.readUInt16BE(at + 1);
    const end = at + 5;
    this.asked.push(`${name} ${type === TYPE_A ? 'A' : 'AAAA'}`);
    const entry = this.zone[name];
    const found = type === TYPE_A ? (entry?.a ?? []) : type === TYPE_AAAA ? [entry?.aaaa] : [];
    const records = found.filter((one) => one !== undefined);
    const header = Buffer.alloc(12);
    question.copy(header, 0, 0, 2);
    const rcode = entry?.serverFails === true ? 2 : entry === undefined ? 3 : 0;
    header.writeUInt16BE(0x8180 | rcode, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    const answers = records.map((address) => {
      const data = type === TYPE_A ? Buffer.from(address.split('.').map(Number)) : ipv6(address);
      const record = Buffer.alloc(12);
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(type, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt32BE(entry?.ttl ?? 60, 6);
      record.writeUInt16BE(data.length, 10);
      return Buffer.concat([record, data]);
    });
    return Buffer.concat([header, question.subarray(12, end), ...answers]);
  }
}

/** `fd00::1` only. */
function ipv6(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(parseInt(head, 16), 0);
  bytes.writeUInt16BE(parseInt(tail, 16), 14);
  return bytes;
}

let server: NameServer;
let address: string;
let folder: string;

beforeEach(async () => {
  server = new NameServer();
  address = await server.start();
  folder = mkdtempSync(path.join(tmpdir(), 'names-'));
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

function resolver(more: Partial<NameResolverOptions> = {}): NameResolver {
  const hosts = path.join(folder, 'hosts');
  const resolv = path.join(folder, 'resolv.conf');
  writeFileSync(hosts, '127.0.0.9 own.test # mine\n');
  writeFileSync(resolv, 'search inner.test\noptions ndots:2\n');
  return new NameResolver({
    servers: [address],
    validMs: undefined,
    timeoutMs: 300,
    ipv6: true,
    names: new SystemNames({ hosts, resolv }),
    ...more,
  });
}

test('an address is its own, a name of the hosts file is not asked for', async () => {
  const names = resolver();
  expect(await names.resolve('10.1.2.3')).toEqual(['10.1.2.3']);
  expect(await names.resolve('OWN.test')).toEqual(['127.0.0.9']);
  expect(server.asked).toEqual([]);
});

test('a name is asked for once while its record is valid, by however many', async () => {
  server.zone = { 'a.b.test': { a: ['127.0.0.5', '127.0.0.6'] } };
  const names = resolver();
  const all = await Promise.all(Array.from({ length: 10 }, () => names.resolve('a.b.test')));
  expect(new Set(all.flat())).toEqual(new Set(['127.0.0.5', '127.0.0.6']));
  await names.resolve('a.b.test');
  expect(server.asked).toEqual(['a.b.test A']);
});

test('search domains complete a short name, and come first where it has few dots', async () => {
  server.zone = { 'app.inner.test': { a: ['127.0.0.7'] }, 'far.b.test': { a: ['127.0.0.8'] } };
  const names = resolver();
  expect(await names.resolve('app')).toEqual(['127.0.0.7']);
  expect(await names.resolve('far.b.test')).toEqual(['127.0.0.8']);
  expect(server.asked).toEqual(['app.inner.test A', 'far.b.test A']);
});

test('AAAA is asked for where there is no A, unless IPv6 is off', async () => {
  server.zone = { 'six.b.test': { aaaa: 'fd00::1' } };
  expect(await resolver().resolve('six.b.test')).toEqual(['fd00::1']);
  await expect(resolver({ ipv6: false }).resolve('six.b.test')).rejects.toBeInstanceOf(NameError);
});

test('a name that nobody knows fails with its name', async () => {
  await expect(resolver().resolve('no.b.test')).rejects.toThrow('failed to resolve no.b.test');
});

test('what is too old is served while it is asked anew, and serves on while no server answers', async () => {
  server.zone = { 'a.b.test': { a: ['127.0.0.5'], ttl: 0 } };
  const names = resolver();
  expect(await names.resolve('a.b.test')).toEqual(['127.0.0.5']);
  server.zone = { 'a.b.test': { a: ['127.0.0.6'], ttl: 0 } };
  await expect.poll(() => names.resolve('a.b.test'), { timeout: 5000 }).toEqual(['127.0.0.6']);
  expect(names.leadsTo('a.b.test', '127.0.0.5')).toBe(false);
  expect(names.leadsTo('a.b.test', '127.0.0.6')).toBe(true);

  server.zone = { 'a.b.test': { serverFails: true } };
  const before = server.asked.length;
  await expect
    .poll(async () => (await names.resolve('a.b.test'), server.asked.length), { timeout: 5000 })
    .toBeGreaterThan(before);
  expect(await names.resolve('a.b.test')).toEqual(['127.0.0.6']);
});

test('a name that is gone for sure serves no longer', async () => {
  server.zone = { 'a.b.test': { a: ['127.0.0.5'], ttl: 0 } };
  const names = resolver();
  await names.resolve('a.b.test');
  server.zone = {};
  const outcome = () =>
    names.resolve('a.b.test').then(
      () => 'known',
      () => 'gone',
    );
  await expect.poll(outcome, { timeout: 5000 }).toBe('gone');
});

test('a server that says nothing is waited for so long only', async () => {
  server.isSilent = true;
  await expect(resolver({ timeoutMs: 100 }).resolve('a.b.test')).rejects.toBeInstanceOf(NameError);
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
