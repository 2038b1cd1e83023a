import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { failureText } from '../log-sinks/log-sink-failure.ts';
import { authenticate, type SaslConfig } from './sasl.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface KafkaBroker {
  readonly host: string;
  readonly port: number;
  readonly sasl_config?: SaslConfig;
}

export interface KafkaConnectionOptions {
  readonly timeoutMs: number;
  /** Undefined: in the clear. */
  readonly tls: { readonly verify: boolean } | undefined;
}

export interface KafkaCall {
  readonly api: number;
  readonly version: number;
  readonly body: Buffer;
  /** False: the broker does not answer, and the call is over when it is on its way. */
  readonly hasAnswer?: boolean;
}

const CLIENT = 'polygate';
const SASL_HANDSHAKE = { api: 17, version: 1 } as const;
const SASL_AUTHENTICATE = { api: 36, version: 0 } as const;
/** Of a producer's answers, which hold a few numbers a partition. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

interface Waiting {
  readonly resolve: (answer: WireReader) => void;
  readonly reject: (error: Error) => void;
}

/** One connection to a broker. What is under way fails with it, and it is not opened anew. */
export class KafkaConnection {
  readonly #options: KafkaConnectionOptions;
  readonly #socket: Socket;
  readonly #place: string;
  readonly #waiting = new Map<number, Waiting>();
  #received: Buffer = Buffer.alloc(0);
  #serial = 0;
  #failure: Error | undefined;

  private constructor(socket: Socket, broker: KafkaBroker, options: KafkaConnectionOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#place = `${broker.host}:${broker.port}`;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(failureText(error, broker.host)));
    socket.on('close', () => this.#fail('closed'));
  }

  /** Rejects when it cannot be had, or the broker wants nobody of that name. */
  static async open(
    broker: KafkaBroker,
    options: KafkaConnectionOptions,
  ): Promise<KafkaConnection> {
    const { host, port, sasl_config: sasl } = broker;
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const { tls } = options;
    const socket: Socket =
      tls === undefined
        ? connect({ host, port })
        : connectTls({ host, port, ...servername, rejectUnauthorized: tls.verify });
    const connection = new KafkaConnection(socket, broker, options);
    const opened = Promise.withResolvers<void>();
    const timer = setTimeout(() => connection.#fail('timeout'), options.timeoutMs);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => opened.resolve());
    socket.once('close', () => opened.reject(connection.#failure ?? new Error('closed')));
    try {
      await opened.promise;
    } finally {
      clearTimeout(timer);
    }
    try {
      if (sasl !== undefined) await connection.#authenticate(sasl);
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Rejects when the connection fails, or no answer comes in time. */
  call({ api, version, body, hasAnswer = true }: KafkaCall): Promise<WireReader> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#serial = (this.#serial + 1) & 0x7fffffff;
    const serial = this.#serial;
    const head = new WireWriter().int16(api).int16(version).int32(serial).text(CLIENT).done();
    const { promise, resolve, reject } = Promise.withResolvers<WireReader>();
    const timer = setTimeout(() => this.#fail('timeout'), this.#options.timeoutMs);
    this.#waiting.set(serial, { resolve, reject });
    const message = new WireWriter()
      .int32(head.length + body.length)
      .raw(head)
      .raw(body)
      .done();
    this.#socket.write(message, (error) => {
      // not before: what a broker does not read would gather in memory
      if (!hasAnswer && !error) this.#settle(serial, Buffer.alloc(0));
    });
    return promise.finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#fail('closed');
  }

  async #authenticate(sasl: SaslConfig): Promise<void> {
    const handshake = new WireWriter().text(sasl.mechanism).done();
    const answer = await this.call({ ...SASL_HANDSHAKE, body: handshake });
    if (answer.int16() !== 0) {
      throw new Error(`${this.#place} does not know the mechanism ${sasl.mechanism}`);
    }
    await authenticate(sasl, async (message) => {
      const body = new WireWriter().bytes(message).done();
      const reply = await this.call({ ...SASL_AUTHENTICATE, body });
      const code = reply.int16();
      const why = reply.text();
      if (code !== 0)
        throw new Error(`${this.#place} refuses the account: ${why || `error ${code}`}`);
      return reply.bytes();
    });
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const length = this.#received.readInt32BE(0);
      if (length < 4 || length > ANSWER_BYTES_MAX) return this.#fail('no answer of Kafka');
      if (this.#received.length < 4 + length) return;
      const frame = this.#received.subarray(4, 4 + length);
      this.#received = this.#received.subarray(4 + length);
      const serial = frame.readInt32BE(0);
      this.#settle(serial, frame.subarray(4));
    }
  }

  #settle(serial: number, answer: Buffer): void {
    this.#waiting.get(serial)?.resolve(new WireReader(answer));
    this.#waiting.delete(serial);
  }

  #fail(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = new Error(`${this.#place}: ${reason}`);
    this.#socket.destroy();
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
