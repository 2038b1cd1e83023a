import { connect } from 'node:tls';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ALERT, ClientHelloReader, HELLO_BYTES_MAX, HELLO_WIRE_BYTES_MAX } from './client-hello.ts';
import type { HelloOutcome } from './client-hello.ts';

const uint16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
const vector8 = (data: Buffer) => Buffer.concat([Buffer.from([data.length]), data]);
const vector16 = (data: Buffer) => Buffer.concat([uint16(data.length), data]);
const extension = (type: number, data: Buffer) => Buffer.concat([uint16(type), vector16(data)]);
const hostName = (name: string | Buffer) =>
  Buffer.concat([Buffer.from([0]), vector16(Buffer.from(name))]);
const serverName = (...names: readonly (string | Buffer)[]) =>
  extension(0, vector16(Buffer.concat(names.map(hostName))));
const alpn = (...protocols: readonly string[]) =>
  extension(16, vector16(Buffer.concat(protocols.map((one) => vector8(Buffer.from(one))))));
const grease = (type: number) => extension(type, Buffer.from([0]));

interface HelloParts {
  readonly sessionId?: Buffer;
  readonly suites?: Buffer;
  readonly compression?: Buffer;
  readonly extensions?: readonly Buffer[];
}

const helloBody = ({
  sessionId = Buffer.alloc(32, 7),
  suites = Buffer.from([0x1a, 0x1a, 0x13, 0x01]),
  compression = Buffer.from([0]),
  extensions = [serverName('a.test')],
}: HelloParts = {}) =>
  Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 1),
    vector8(sessionId),
    vector16(suites),
    vector8(compression),
    vector16(Buffer.concat(extensions)),
  ]);

const message = (body: Buffer, type = 1) =>
  Buffer.concat([Buffer.from([type, body.length >> 16]), uint16(body.length & 0xffff), body]);
const record = (data: Buffer, type = 22) =>
  Buffer.concat([Buffer.from([type, 3, 1]), vector16(data)]);
/** In records of at most `size` bytes. */
const records = (data: Buffer, size: number) => {
  const parts: Buffer[] = [];
  for (let i = 0; i < data.length; i += size) parts.push(record(data.subarray(i, i + size)));
  return Buffer.concat(parts);
};
const hello = (parts?: HelloParts) => record(message(helloBody(parts)));

const read = (wire: Buffer): HelloOutcome => new ClientHelloReader().push(wire);
const readByteByByte = (wire: Buffer): HelloOutcome => {
  const reader = new ClientHelloReader();
  for (const byte of wire) {
    const outcome = reader.push(Buffer.from([byte]));
    if (outcome.kind !== 'incomplete') return outcome;
  }
  return { kind: 'incomplete' };
};
const alertOf = (outcome: HelloOutcome) =>
  outcome.kind === 'refused' ? outcome.problem.alert : outcome.kind;

/** What Node's own client sends first. */
async function realHello(): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect({
    port: (server.address() as AddressInfo).port,
    servername: 'real.test',
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  client.on('error', () => undefined);
  const wire = await new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (chunk: Buffer) => resolve(chunk));
    });
  });
  client.destroy();
  server.close();
  return wire;
}

test("name and protocols of a real client's hello are read, whole and byte by byte", async () => {
  const wire = await realHello();
  for (const outcome of [read(wire), readByteByByte(wire)]) {
    expect(outcome).toEqual({
      kind: 'hello',
      hello: { serverName: 'real.test', protocols: ['h2', 'http/1.1'], pskIdentity: undefined },
    });
  }
});

test('a hello spread over records of any size reads the same, however it is cut', () => {
  const body = message(helloBody({ extensions: [alpn('h2'), serverName('a.test')] }));
  for (const size of [1, 2, 3, 5, 40, body.length - 1]) {
    const wire = records(body, size);
    for (const outcome of [read(wire), readByteByByte(wire)]) {
      expect(outcome).toMatchObject({ hello: { serverName: 'a.test', protocols: ['h2'] } });
    }
  }
});

test('everything that was pushed is kept for TLS to read again', () => {
  const wire = Buffer.concat([records(message(helloBody()), 7), Buffer.from('early data')]);
  const reader = new ClientHelloReader();
  for (let i = 0; reader.push(wire.subarray(i, i + 11)).kind === 'incomplete'; i += 11);
  expect(wire.subarray(0, reader.bytes.length)).toEqual(reader.bytes);
  expect(reader.bytes.length).toBeGreaterThanOrEqual(records(message(helloBody()), 7).length);
});

test('made-up suites and extensions (GREASE) are passed over', () => {
  const extensions = [grease(0x0a0a), serverName('a.test'), alpn('http/1.1'), grease(0xfafa)];
  expect(read(hello({ extensions }))).toMatchObject({ hello: { serverName: 'a.test' } });
});

test('a hello without extensions has neither name nor protocols', () => {
  const body = helloBody({ extensions: [] });
  const bare = body.subarray(0, body.length - 2);
  for (const wire of [record(message(bare)), record(message(body))]) {
    expect(read(wire)).toEqual({
      kind: 'hello',
      hello: { serverName: undefined, protocols: [], pskIdentity: undefined },
    });
  }
});

test('the first identity to resume by is read, and must come last', () => {
  const identity = (bytes: Buffer) => Buffer.concat([vector16(bytes), Buffer.alloc(4)]);
  const psk = extension(
    41,
    Buffer.concat([
      vector16(Buffer.concat([identity(Buffer.alloc(32, 5)), identity(Buffer.from('b'))])),
      vector16(vector8(Buffer.alloc(32))),
    ]),
  );
  expect(read(hello({ extensions: [serverName('a.test'), psk] }))).toMatchObject({
    hello: { pskIdentity: Buffer.alloc(32, 5) },
  });
  const outcome = read(hello({ extensions: [psk, serverName('a.test')] }));
  expect(alertOf(outcome)).toBe(ALERT.illegalParameter);
});

test('a hello that ends too early is refused, wherever it ends', () => {
  const body = helloBody({ extensions: [alpn('h2'), serverName('a.test')] });
  const withoutExtensions = helloBody({ extensions: [] }).length - 2;
  for (let length = 0; length < body.length; length++) {
    if (length === withoutExtensions) continue;
    const outcome = read(record(message(body.subarray(0, length))));
    expect([length, alertOf(outcome)]).toEqual([length, ALERT.decodeError]);
  }
});

test('until the last byte is there nothing is decided', () => {
  const wire = hello();
  for (let length = 0; length < wire.length; length++) {
    expect(read(wire.subarray(0, length)).kind).toBe('incomplete');
  }
});

test.each([
  ['two names', { extensions: [serverName('a.test', 'b.test')] }, ALERT.decodeError],
  ['an empty name', { extensions: [serverName('')] }, ALERT.decodeError],
  ['no name in the list', { extensions: [serverName()] }, ALERT.decodeError],
  ['NUL in the name', { extensions: [serverName('a\0.test')] }, ALERT.unrecognizedName],
  ['a line end in the name', { extensions: [serverName('a\n.test')] }, ALERT.unrecognizedName],
  ['non-ASCII in the name', { extensions: [serverName('\u00e4.test')] }, ALERT.unrecognizedName],
  ['256 bytes of name', { extensions: [serverName('a'.repeat(256))] }, ALERT.unrecognizedName],
  [
    'a name of an unknown kind',
    { extensions: [extension(0, vector16(Buffer.from([1, 0, 1, 97])))] },
    ALERT.decodeError,
  ],
  [
    'bytes after the names',
    { extensions: [extension(0, Buffer.concat([vector16(hostName('a')), Buffer.from([0])]))] },
    ALERT.decodeError,
  ],
  [
    'server_name twice',
    { extensions: [serverName('a.test'), serverName('b.test')] },
    ALERT.illegalParameter,
  ],
  ['any extension twice', { extensions: [grease(10), grease(10)] }, ALERT.illegalParameter],
  ['an empty protocol', { extensions: [alpn('', 'h2')] }, ALERT.decodeError],
  ['no protocol', { extensions: [alpn()] }, ALERT.decodeError],
  ['a long session id', { sessionId: Buffer.alloc(33) }, ALERT.decodeError],
  ['no suites', { suites: Buffer.alloc(0) }, ALERT.decodeError],
  ['half a suite', { suites: Buffer.alloc(3) }, ALERT.decodeError],
  ['no compression method', { compression: Buffer.alloc(0) }, ALERT.decodeError],
] as const)('a hello with %s is refused', (_what, parts, alert) => {
  expect(alertOf(read(hello(parts)))).toBe(alert);
});

test.each([
  ['an empty record', Buffer.from([22, 3, 1, 0, 0]), ALERT.unexpectedMessage],
  ['a record over 16 KB', Buffer.from([22, 3, 1, 0x40, 1]), ALERT.recordOverflow],
  ['an older major version', Buffer.from([22, 2, 0, 0, 5]), ALERT.protocolVersion],
  ['another handshake message', record(message(helloBody(), 2)), ALERT.unexpectedMessage],
  ['a huge message', record(Buffer.from([1, 0xff, 0xff, 0xff])), ALERT.illegalParameter],
  [
    'an alert in the middle of the hello',
    Buffer.concat([records(message(helloBody()).subarray(0, 20), 20), record(Buffer.alloc(2), 21)]),
    ALERT.unexpectedMessage,
  ],
  [
    'bytes after the extensions',
    record(message(Buffer.concat([helloBody(), Buffer.from([0])]))),
    ALERT.decodeError,
  ],
])('%s is refused before more is waited for', (_what, wire, alert) => {
  expect(alertOf(read(wire))).toBe(alert);
});

test('what is no TLS is told by its first byte, and not answered with an alert', () => {
  for (const text of ['GET / HTTP/1.1\r\n\r\n', '\x80\x2e\x01', '\0']) {
    const outcome = read(Buffer.from(text.slice(0, 1), 'latin1'));
    expect(outcome).toMatchObject({ kind: 'refused', problem: { alert: undefined } });
  }
});

test('the largest hello is taken, and a byte more is not', () => {
  const fill = HELLO_BYTES_MAX - message(helloBody({ extensions: [grease(10)] })).length;
  const filled = (extra: number) =>
    message(helloBody({ extensions: [extension(10, Buffer.alloc(fill + 1 + extra))] }));
  expect(read(records(filled(0), 8000)).kind).toBe('hello');
  expect(alertOf(read(records(filled(1), 8000)))).toBe(ALERT.illegalParameter);
});

test('a hello in too many records is refused at the limit', () => {
  const wire = records(message(helloBody({ extensions: [extension(10, Buffer.alloc(9000))] })), 1);
  expect(wire.length).toBeGreaterThan(HELLO_WIRE_BYTES_MAX);
  expect(read(wire.subarray(0, HELLO_WIRE_BYTES_MAX - 1)).kind).toBe('incomplete');
  const outcome = readByteByByte(wire.subarray(0, HELLO_WIRE_BYTES_MAX));
  expect(alertOf(outcome)).toBe(ALERT.recordOverflow);
});

test('no byte in any place makes it throw, and cutting changes no outcome', () => {
  const wire = hello({ extensions: [alpn('h2', 'http/1.1'), serverName('a.test')] });
  for (let at = 0; at < wire.length; at++) {
    for (const byte of [0, 1, 0x7f, 0xff]) {
      const broken = Buffer.from(wire);
      broken[at] = byte;
      expect(readByteByByte(broken)).toEqual(read(broken));
    }
  }
});
