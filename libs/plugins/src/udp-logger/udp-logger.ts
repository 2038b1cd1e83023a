import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { defineBatchedLogger, jsonEntries, jsonOfBatch } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { sendOverUdp } from '../log-sinks/log-sink-socket.ts';
import { definition, type UdpLoggerConf } from './udp-logger.schema.ts';

/** Sends entries as datagrams, one a batch. */
export default defineBatchedLogger<UdpLoggerConf, string>(definition, {
  entryMaker: jsonEntries,
  openSink,
});

function openSink(conf: UdpLoggerConf, { log }: PluginEnvironment): LogSink<string> {
  return {
    async send(entries) {
      log.info(`sending a batch logs to ${conf.host}:${conf.port}`);
      await sendOverUdp(conf, [jsonOfBatch(entries, conf)]);
    },
  };
}
