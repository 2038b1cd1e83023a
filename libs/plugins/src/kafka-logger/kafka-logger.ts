import { readableText } from '@polygate/plugin-sdk';
import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { KafkaProducer } from '../kafka/kafka-producer.ts';
import { defineBatchedLogger, jsonOfBatch, type EntryMaker } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { definition, type KafkaLoggerConf } from './kafka-logger.schema.ts';

/** Writes a record a batch to a topic of Kafka. */
export default defineBatchedLogger<KafkaLoggerConf, string>(definition, { entryMaker, openSink });

function entryMaker(conf: KafkaLoggerConf): EntryMaker<string> {
  if (conf.meta_format !== 'origin') return (_ctx, json) => json;
  return (ctx, _json, builder) => {
    const text = readableText(originOf(ctx) + (builder.requestBody(ctx) ?? ''));
    // on its own in a batch of one, a text among others else
    return conf.batch_max_size === 1 ? text : JSON.stringify(text);
  };
}

/** The head as the client sent it. Source: get_req_original of apisix/utils/log-util.lua. */
function originOf({ request, vars }: RequestContext): string {
  let head = `${vars.get('request') ?? ''}\r\n`;
  request.headers.forEach((name, value) => {
    head += `${name.toLowerCase()}: ${value}\r\n`;
  });
  return `${head}\r\n`;
}

function openSink(conf: KafkaLoggerConf, { log }: PluginEnvironment): LogSink<string> {
  const listed = Object.entries(conf.broker_list ?? {}).map(([host, port]) => ({ host, port }));
  const producer = new KafkaProducer({
    brokers: [...(conf.brokers ?? []), ...listed],
    timeoutMs: conf.timeout * 1000,
    tls: conf.tls,
    requiredAcks: conf.required_acks,
    metadataAgeMaxMs: conf.meta_refresh_interval * 1000,
  });
  return {
    async send(entries) {
      log.info(`sending a batch logs to the topic ${conf.kafka_topic}`);
      const record = { key: conf.key, value: jsonOfBatch(entries, conf) };
      await producer.send(conf.kafka_topic, [record]).catch((cause: Error) => {
        throw new Error(`failed to send data to Kafka topic: ${cause.message}`, { cause });
      });
    },
    close: () => producer.close(),
  };
}
