import { crc32 } from 'node:zlib';
import {
  KafkaConnection,
  type KafkaBroker,
  type KafkaConnectionOptions,
} from './kafka-connection.ts';
import { encodeRecordBatch, type KafkaRecord } from './record-batch.ts';
import { WireWriter, type WireReader } from './wire.ts';

export interface KafkaProducerOptions extends KafkaConnectionOptions {
  /** To begin with: the others are learned from these. */
  readonly brokers: readonly KafkaBroker[];
  /** 0: nobody waits for an answer; 1: the leader's; -1: that of all replicas. */
  readonly requiredAcks: 0 | 1 | -1;
  /** After so long it is asked anew who leads which partition. */
  readonly metadataAgeMaxMs: number;
}

const PRODUCE = { api: 0, version: 3 } as const;
const METADATA = { api: 3, version: 1 } as const;
const TRIES = 3;
/** As a topic that has just been made, or a leader that is being chosen. */
const RETRY_MS = 100;

interface TopicMetadata {
  readonly brokers: ReadonlyMap<number, KafkaBroker>;
  /** Partition → broker. */
  readonly leaders: ReadonlyMap<number, number>;
  readonly partitions: number;
  readonly atMs: number;
}

/** Writes to topics of one cluster. */
export class KafkaProducer {
  readonly #options: KafkaProducerOptions;
  /** `host:port` → connection, being opened or open. */
  readonly #connections = new Map<string, Promise<KafkaConnection>>();
  readonly #topics = new Map<string, TopicMetadata>();
  #turn = 0;
  #isClosed = false;

  constructor(options: KafkaProducerOptions) {
    this.#options = options;
  }

  /** Records with a key go to the partition of that key, others take turns. Rejects after some tries. */
  async send(topic: string, records: readonly KafkaRecord[]): Promise<void> {
    let left = records;
    for (let attempt = 1; left.length > 0; attempt++) {
      try {
        left = await this.#sendOnce(topic, left);
        if (left.length === 0) return;
        if (attempt >= TRIES) throw new Error(`no leader took ${left.length} records of ${topic}`);
      } catch (error) {
        if (attempt >= TRIES || this.#isClosed) throw error;
      }
      this.#topics.delete(topic);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * attempt).unref());
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#connections.values()) {
      opening.then(
        (connection) => connection.close(),
        () => undefined,
      );
    }
    this.#connections.clear();
  }

  /** Answers the records that have to be sent again. */
  async #sendOnce(topic: string, records: readonly KafkaRecord[]): Promise<KafkaRecord[]> {
    const metadata = await this.#metadataOf(topic);
    const byPartition = Map.groupBy(records, ({ key }) => this.#partitionOf(key, metadata));
    const left: KafkaRecord[] = [];
    for (const [partition, those] of byPartition) {
      const broker = metadata.brokers.get(metadata.leaders.get(partition) ?? -1);
      const isTaken =
        broker !== undefined && (await this.#produce(broker, { topic, partition, records: those }));
      if (!isTaken) left.push(...those);
    }
    return left;
  }

  #partitionOf(key: string | undefined, { partitions }: TopicMetadata): number {
    if (key !== undefined) return crc32(key) % partitions;
    this.#turn = (this.#turn + 1) % 0x7fffffff;
    return this.#turn % partitions;
  }

  /** False: it is not the leader any more. Rejects for what would not be better elsewhere. */
  async #produce(
    broker: KafkaBroker,
    batch: { topic: string; partition: number; records: readonly KafkaRecord[] },
  ): Promise<boolean> {
    const { requiredAcks, timeoutMs } = this.#options;
    const body = new WireWriter()
      .text(undefined)
      .int16(requiredAcks)
      .int32(timeoutMs)
      .int32(1)
      .text(batch.topic)
      .int32(1)
      .int32(batch.partition)
      .bytes(encodeRecordBatch(batch.records, Date.now()))
      .done();
    const connection = await this.#connect(broker);
    const hasAnswer = requiredAcks !== 0;
    const answer = await connection.call({ ...PRODUCE, body, hasAnswer });
    const code = hasAnswer ? errorOfProduce(answer) : 0;
    if (code === 0) return true;
    if (RETRIABLE.has(code)) return false;
    throw new Error(`${broker.host}:${broker.port} answers with the error ${code}`);
  }

  async #metadataOf(topic: string): Promise<TopicMetadata> {
    const known = this.#topics.get(topic);
    const nowMs = performance.now();
    if (known !== undefined && nowMs - known.atMs < this.#options.metadataAgeMaxMs) return known;
    let failure: unknown;
    for (const broker of this.#options.brokers) {
      try {
        const connection = await this.#connect(broker);
        const body = new WireWriter().int32(1).text(topic).done();
        const metadata = this.#readMetadata(await connection.call({ ...METADATA, body }), nowMs);
        this.#topics.set(topic, metadata);
        return metadata;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  #readMetadata(answer: WireReader, atMs: number): TopicMetadata {
    const found = answer.list(() => {
      const id = answer.int32();
      const address = { host: answer.text(), port: answer.int32() };
      answer.text();
      return [id, { ...address, ...this.#account() }] as const;
    });
    answer.int32();
    const [topic] = answer.list(() => {
      const code = answer.int16();
      answer.text();
      answer.int8();
      return { code, leaders: answer.list(() => leaderOf(answer)) };
    });
    if (topic === undefined || topic.leaders.length === 0) {
      throw new Error(`not found topic (error ${topic?.code ?? 'none'})`);
    }
    return {
      brokers: new Map(found),
      leaders: new Map(topic.leaders),
      partitions: topic.leaders.length,
      atMs,
    };
  }

  /** Brokers that are learned of take the account of the first. */
  #account(): Pick<KafkaBroker, 'sasl_config'> {
    const account = this.#options.brokers.find((broker) => broker.sasl_config !== undefined);
    return account?.sasl_config === undefined ? {} : { sasl_config: account.sasl_config };
  }

  async #connect(broker: KafkaBroker): Promise<KafkaConnection> {
    const place = `${broker.host}:${broker.port}`;
    for (;;) {
      const known = this.#connections.get(place);
      const connection = await known?.catch(() => undefined);
      if (connection?.isOpen === true) return connection;
      // unless another batch has begun to open one meanwhile: nobody would close a second
      if (this.#connections.get(place) === known) break;
    }
    const opening = KafkaConnection.open(broker, this.#options);
    this.#connections.set(place, opening);
    const connection = await opening;
    if (this.#isClosed) connection.close();
    return connection;
  }
}

function leaderOf(answer: WireReader): readonly [number, number] {
  answer.int16();
  const pair = [answer.int32(), answer.int32()] as const;
  answer.list(() => answer.int32());
  answer.list(() => answer.int32());
  return pair;
}

function errorOfProduce(answer: WireReader): number {
  const codes = answer
    .list(() => {
      answer.text();
      return answer.list(() => {
        answer.int32();
        const code = answer.int16();
        answer.int64();
        answer.int64();
        return code;
      });
    })
    .flat();
  return codes.find((code) => code !== 0) ?? 0;
}

/** Another leader may take it: unknown topic or partition, no leader, not the leader, timed out … */
const RETRIABLE: ReadonlySet<number> = new Set([3, 5, 6, 7, 13, 19, 20]);
