// Test only: a broker of Kafka as far as a producer sees it; what it is sent is taken apart and checked.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { crc32c } from './record-batch.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface ProducedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly acks: number;
  readonly key: string | undefined;
  readonly value: string;
}

export interface TestBrokerOptions {
  /** Default: 1. */
  readonly partitions?: number;
  /** Errors that the first requests to write are answered with. */
  readonly produceErrors?: readonly number[];
  /** Default: nobody has to say who he is. */
  readonly account?: { readonly user: string; readonly password: string };
}

export interface TestBroker {
  readonly port: number;
  readonly records: readonly ProducedRecord[];
  readonly metadataRequests: () => number;
  /** How many there were. */
  readonly connections: () => number;
  close(): Promise<void>;
}

export async function startBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const broker = new Broker(options);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    broker.serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  broker.port = (server.address() as AddressInfo).port;
  return {
    port: broker.port,
    records: broker.records,
    metadataRequests: () => broker.metadataRequests,
    connections: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

class Broker {
  readonly records: ProducedRecord[] = [];
  readonly #options: TestBrokerOptions;
  readonly #errors: number[];
  port = 0;
  metadataRequests = 0;

  constructor(options: TestBrokerOptions) {
    this.#options = options;
    this.#errors = [...(options.produceErrors ?? [])];
  }

  serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    let isKnown = this.#options.account === undefined;
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const frame = new WireReader(received.subarray(4, 4 + received.readInt32BE(0)));
        received = received.subarray(4 + received.readInt32BE(0));
        const api = frame.int16();
        const version = frame.int16();
        const serial = frame.int32();
        frame.text();
        if (api === 36) isKnown = this.#isAccount(frame.bytes().toString());
        if (!isKnown && api !== 17 && api !== 36) return socket.destroy();
        const answer = this.#answer(`${api}v${version}`, frame, isKnown);
        if (answer === undefined) continue;
        const whole = new WireWriter()
          .int32(4 + answer.length)
          .int32(serial)
          .raw(answer)
          .done();
        socket.write(whole);
      }
      return undefined;
    });
  }

  #isAccount(message: string): boolean {
    const { account } = this.#options;
    return message === `\0${account?.user}\0${account?.password}`;
  }

  #answer(call: string, frame: WireReader, isKnown: boolean): Buffer | undefined {
    switch (call) {
      case '17v1':
        return new WireWriter()
          .int16(frame.text() === 'PLAIN' ? 0 : 33)
          .int32(0)
          .done();
      case '36v0': {
        const head = new WireWriter().int16(isKnown ? 0 : 58);
        return head
          .text(isKnown ? undefined : 'who are you')
          .bytes(Buffer.alloc(0))
          .done();
      }
      case '3v1':
        return this.#metadata(frame.list(() => frame.text())[0] ?? '');
      case '0v3':
        return this.#produce(frame);
      default:
        throw new Error(`no such call: ${call}`);
    }
  }

  #metadata(topic: string): Buffer {
    this.metadataRequests += 1;
    const { partitions = 1 } = this.#options;
    const answer = new WireWriter().int32(1).int32(7).text('127.0.0.1').int32(this.port);
    answer.text(undefined).int32(7).int32(1).int16(0).text(topic).int8(0).int32(partitions);
    for (let i = 0; i < partitions; i++) {
      answer.int16(0).int32(i).int32(7).int32(1).int32(7).int32(1).int32(7);
    }
    return answer.done();
  }

  #produce(frame: WireReader): Buffer | undefined {
    frame.text();
    const acks = frame.int16();
    frame.int32();
    const error = this.#errors.shift() ?? 0;
    let answer: Buffer = Buffer.alloc(0);
    frame.list(() => {
      const topic = frame.text();
      frame.list(() => {
        const partition = frame.int32();
        const records = recordsOf(frame.bytes());
        const stored = records.map((record) => ({ topic, partition, acks, ...record }));
        if (error === 0) this.records.push(...stored);
        const head = new WireWriter().int32(1).text(topic).int32(1).int32(partition);
        answer = head.int16(error).int64(0).int64(-1).int32(0).done();
      });
    });
    return acks === 0 ? undefined : answer;
  }
}

function recordsOf(batch: Buffer): { key: string | undefined; value: string }[] {
  const reader = new WireReader(batch);
  reader.int64();
  if (reader.int32() !== batch.length - 12) throw new Error('wrong length of a batch');
  reader.int32();
  if (reader.int8() !== 2) throw new Error('not a batch of version 2');
  if (reader.int32() >>> 0 !== crc32c(batch.subarray(21))) throw new Error('wrong checksum');
  // behind the head, whose last number says how many there are
  let at = 61;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = batch[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  };
  const text = (): string | undefined => {
    const length = varint();
    if (length < 0) return undefined;
    at += length;
    return batch.toString('utf8', at - length, at);
  };
  return Array.from({ length: batch.readInt32BE(57) }, (_, i) => {
    varint();
    at += 1;
    varint();
    if (varint() !== i) throw new Error('wrong offset of a record');
    const key = text();
    const value = text() ?? '';
    varint();
    return { key, value };
  });
}
