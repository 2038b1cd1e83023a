import { hostname } from 'node:os';
import type { Logger } from '@polygate/plugin-sdk';
import { KafkaProducer } from '../kafka/kafka-producer.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget } from '../log-sinks/log-sink-http.ts';
import { sendOverTcp } from '../log-sinks/log-sink-socket.ts';
import type { ErrorLogMetadata } from './error-log-logger.schema.ts';

type SinkOf<Name extends keyof ErrorLogMetadata> = NonNullable<ErrorLogMetadata[Name]>;

/** Where the metadata send lines to, with what they say of it. */
export function openErrorLogSink(metadata: ErrorLogMetadata, log: Logger): LogSink<string> {
  const { skywalking, clickhouse, kafka, tcp } = metadata;
  const timeoutMs = metadata.timeout * 1000;
  if (skywalking !== undefined) return openSkywalking(skywalking, timeoutMs, log);
  if (clickhouse !== undefined) return openClickhouse(clickhouse, timeoutMs, log);
  if (kafka !== undefined) return openKafka(kafka, timeoutMs, log);
  if (tcp !== undefined) return openTcp(tcp, timeoutMs);
  const { host = '', port = 0, tls = false, tls_server_name: name } = metadata;
  log.warn(
    'The schema is out of date. Please update to the new configuration, ' +
      `for example: {"tcp": {"host": "${host}", "port": "${port}"}}`,
  );
  return openTcp(
    { host, port, tls, ...(name !== undefined && { tls_server_name: name }) },
    timeoutMs,
  );
}

function openTcp(target: SinkOf<'tcp'>, timeoutMs: number): LogSink<string> {
  const { host, port, tls, tls_server_name: serverName } = target;
  return {
    async send(lines) {
      const place = { host, port, timeoutMs, tls: tls === true ? { serverName } : undefined };
      await sendOverTcp(place, `${lines.join('\n')}\n`);
    },
  };
}

function openSkywalking(
  target: SinkOf<'skywalking'>,
  timeoutMs: number,
  log: Logger,
): LogSink<string> {
  const { endpoint_addr: address, service_name: service } = target;
  const named = target.service_instance_name;
  const serviceInstance = named === '$hostname' ? hostname() : named;
  return openHttp({ address, timeoutMs, log, headers: {}, name: 'skywalking' }, (lines) =>
    JSON.stringify(
      lines.map((text) => ({ service, serviceInstance, endpoint: '', body: { text: { text } } })),
    ),
  );
}

function openClickhouse(
  target: SinkOf<'clickhouse'>,
  timeoutMs: number,
  log: Logger,
): LogSink<string> {
  const { endpoint_addr: address, user, password, database, logtable } = target;
  const headers = {
    'X-ClickHouse-User': user,
    'X-ClickHouse-Key': password,
    'X-ClickHouse-Database': database,
  };
  return openHttp({ address, timeoutMs, log, headers, name: 'clickhouse' }, (lines) => {
    const rows = lines.map((data) => JSON.stringify({ data }));
    return `INSERT INTO ${logtable} FORMAT JSONEachRow ${rows.join(' ')}`;
  });
}

interface HttpSink {
  readonly name: string;
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly log: Logger;
}

function openHttp(
  { name, address, headers, timeoutMs, log }: HttpSink,
  bodyOf: (lines: readonly string[]) => string,
): LogSink<string> {
  const target = openHttpTarget({ timeoutMs, verifyTls: false, keepAlive: undefined });
  return {
    async send(lines) {
      log.info(`sending a batch logs to ${address}`);
      const answer = await target
        .post(
          endpointUrl(address),
          { 'Content-Type': 'application/json', ...headers },
          bodyOf(lines),
        )
        .catch((cause: Error) => {
          const what = `error while sending data to ${name}[${address}] ${cause.message}`;
          throw new Error(what, { cause });
        });
      if (answer.status < 400) return;
      const body = answer.body.toString();
      throw new Error(
        `server returned status code[${answer.status}] ${name}[${address}] body[${body}]`,
      );
    },
    close: () => target.close(),
  };
}

function openKafka(target: SinkOf<'kafka'>, timeoutMs: number, log: Logger): LogSink<string> {
  const { brokers, key, kafka_topic: topic } = target;
  const producer = new KafkaProducer({
    ...{ brokers, timeoutMs, tls: target.tls },
    requiredAcks: target.required_acks,
    metadataAgeMaxMs: target.meta_refresh_interval * 1000,
  });
  // without their accounts
  const places = JSON.stringify(brokers.map(({ host, port }) => ({ host, port })));
  return {
    async send(lines) {
      log.info(`sending a batch logs to kafka brokers: ${places}`);
      const records = lines.map((line) => ({ key, value: JSON.stringify(line) }));
      await producer.send(topic, records).catch((cause: Error) => {
        const what = `failed to send data to Kafka topic: ${cause.message}, brokers: ${places}`;
        throw new Error(what, { cause });
      });
    },
    close: () => producer.close(),
  };
}
