import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { startBroker, type TestBroker, type TestBrokerOptions } from './kafka-broker.harness.ts';
import { KafkaConnection } from './kafka-connection.ts';
import { KafkaProducer, type KafkaProducerOptions } from './kafka-producer.ts';
import { crc32c } from './record-batch.ts';
import { authenticate } from './sasl.ts';

let broker: TestBroker | undefined;
let producer: KafkaProducer | undefined;
afterEach(async () => {
  producer?.close();
  await broker?.close();
});

async function start(
  options: TestBrokerOptions = {},
  over: Partial<KafkaProducerOptions> = {},
): Promise<{ broker: TestBroker; producer: KafkaProducer }> {
  broker = await startBroker(options);
  producer = new KafkaProducer({
    brokers: [{ host: '127.0.0.1', port: broker.port }],
    timeoutMs: 5000,
    tls: undefined,
    requiredAcks: 1,
    metadataAgeMaxMs: 30_000,
    ...over,
  });
  return { broker, producer };
}
const record = (value: string, key?: string) => ({ key, value });

describe('a producer', () => {
  test('writes records in one batch, and asks for the topic once', async () => {
    const { broker, producer } = await start();
    await producer.send('t', [record('a'), record('ü'.repeat(100), 'k')]);
    await producer.send('t', [record('b')]);
    const place = { topic: 't', partition: 0, acks: 1 };
    expect(broker.records).toEqual([
      { ...place, key: undefined, value: 'a' },
      { ...place, key: 'k', value: 'ü'.repeat(100) },
      { ...place, key: undefined, value: 'b' },
    ]);
    expect(broker.metadataRequests()).toBe(1);
  });

  test('keeps a key on its partition, and lets the others take turns', async () => {
    const { broker, producer } = await start({ partitions: 3 });
    for (const key of ['x', 'x', undefined, undefined, undefined]) {
      await producer.send('t', [record('v', key)]);
    }
    const partitions = broker.records.map(({ partition }) => partition);
    expect(partitions[0]).toBe(partitions[1]);
    expect(new Set(partitions.slice(2)).size).toBe(3);
  });

  test('asks anew who leads, when the leader says that it is none', async () => {
    const { broker, producer } = await start({ produceErrors: [6] });
    await producer.send('t', [record('a')]);
    expect(broker.records).toHaveLength(1);
    expect(broker.metadataRequests()).toBe(2);
  });

  test('gives up after three tries', async () => {
    const { producer } = await start({ produceErrors: [6, 6, 6] });
    await expect(producer.send('t', [record('a')])).rejects.toThrow(
      'no leader took 1 records of t',
    );
  });

  test('waits for nothing where no acknowledgement is wanted', async () => {
    const { broker, producer } = await start({}, { requiredAcks: 0 });
    await producer.send('t', [record('a')]);
    await expect.poll(() => broker.records, { timeout: 10_000 }).toMatchObject([{ acks: 0 }]);
  });

  test('shares one connection between batches that come together', async () => {
    const { broker, producer } = await start();
    await Promise.all(['a', 'b', 'c', 'd'].map((value) => producer.send('t', [record(value)])));
    expect(broker.records).toHaveLength(4);
    expect(broker.connections()).toBe(1);
  });

  test('says who he is, and hears when nobody knows him', async () => {
    const account = { user: 'admin', password: 'secret' };
    const { broker } = await start({ account });
    const open = (password: string) =>
      new KafkaProducer({
        brokers: [
          {
            host: '127.0.0.1',
            port: broker.port,
            sasl_config: { mechanism: 'PLAIN', user: 'admin', password },
          },
        ],
        ...{ timeoutMs: 5000, tls: undefined, requiredAcks: 1, metadataAgeMaxMs: 30_000 },
      });
    producer = open('secret');
    await producer.send('t', [record('a')]);
    expect(broker.records).toHaveLength(1);
    producer.close();
    producer = open('wrong');
    await expect(producer.send('t', [record('a')])).rejects.toThrow(
      'refuses the account: who are you',
    );
  });

  test('fails where nobody listens', async () => {
    const { broker, producer } = await start();
    await broker.close();
    await expect(producer.send('t', [record('a')])).rejects.toThrow('connection refused');
  });
});

test('a call without an answer is not over while the broker does not read it', async () => {
  const sockets: Socket[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const options = { timeoutMs: 200, tls: undefined };
  const connection = await KafkaConnection.open({ host: '127.0.0.1', port }, options);
  const call = { api: 0, version: 3, hasAnswer: false };
  await connection.call({ ...call, body: Buffer.alloc(10) });
  // more than the buffers of a connection hold
  const large = connection.call({ ...call, body: Buffer.alloc(64 * 1024 * 1024) });
  await expect(large).rejects.toThrow('timeout');
  expect(connection.isOpen).toBe(false);
  for (const socket of sockets) socket.destroy();
  server.close();
});

test('crc32c() is that of Castagnoli', () => {
  expect(crc32c(Buffer.from('123456789')).toString(16)).toBe('e3069283');
});

describe('SCRAM', () => {
  /** The server's side of RFC 5802, which knows another password when `known` is another. */
  function server(known: string): (message: Buffer) => Promise<Buffer> {
    const salt = Buffer.from('salt-of-the-server');
    let first = '';
    return (message) => {
      const text = message.toString();
      if (first === '') {
        const nonce = /r=([^,]+)/.exec(text)?.[1] ?? '';
        const answer = `r=${nonce}more,s=${salt.toString('base64')},i=4096`;
        first = `${text.slice(3)},${answer}`;
        return Promise.resolve(Buffer.from(answer));
      }
      const salted = pbkdf2Sync(known, salt, 4096, 32, 'sha256');
      const hmac = (key: Buffer, of: string): Buffer =>
        createHmac('sha256', key).update(of).digest();
      const signed = `${first},${text.slice(0, text.indexOf(',p='))}`;
      const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
      const proof = Buffer.from(text.slice(text.indexOf(',p=') + 3), 'base64');
      const signature = hmac(stored, signed);
      const clientKey = Buffer.from(proof.map((byte, at) => byte ^ (signature[at] ?? 0)));
      const isKnown = createHash('sha256').update(clientKey).digest().equals(stored);
      if (!isKnown) return Promise.reject(new Error('invalid-proof'));
      const verifier = hmac(hmac(salted, 'Server Key'), signed).toString('base64');
      return Promise.resolve(Buffer.from(`v=${verifier}`));
    };
  }
  const account = { mechanism: 'SCRAM-SHA-256', user: 'a=b,c', password: 'secret' } as const;

  test('proves the password to the broker, and wants the same of it', async () => {
    await authenticate(account, server('secret'));
    await expect(authenticate(account, server('other'))).rejects.toThrow('invalid-proof');
  });

  test('a broker that cannot prove it, or answers with somebody else’s nonce, is none', async () => {
    const forged = server('secret');
    let calls = 0;
    const forging = async (message: Buffer): Promise<Buffer> => {
      const answer = await forged(message);
      return ++calls === 2 ? Buffer.from('v=AAAA') : answer;
    };
    await expect(authenticate(account, forging)).rejects.toThrow('does not know the password');
    const other = () => Promise.resolve(Buffer.from('r=other,s=AAAA,i=4096'));
    await expect(authenticate(account, other)).rejects.toThrow('does not keep to SCRAM');
    const endless = (message: Buffer) => {
      const nonce = /r=([^,]+)/.exec(message.toString())?.[1] ?? '';
      return Promise.resolve(Buffer.from(`r=${nonce},s=AAAA,i=999999999`));
    };
    await expect(authenticate(account, endless)).rejects.toThrow('does not keep to SCRAM');
  });
});
