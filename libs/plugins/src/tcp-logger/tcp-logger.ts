import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { defineBatchedLogger, jsonEntries, jsonOfBatch } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { sendOverTcp } from '../log-sinks/log-sink-socket.ts';
import { definition, type TcpLoggerConf } from './tcp-logger.schema.ts';

/** Sends entries over a TCP connection, with or without TLS, a connection a batch. */
export default defineBatchedLogger<TcpLoggerConf, string>(definition, {
  entryMaker: jsonEntries,
  openSink,
});

function openSink(conf: TcpLoggerConf, { log }: PluginEnvironment): LogSink<string> {
  const target = {
    host: conf.host,
    port: conf.port,
    timeoutMs: conf.timeout,
    tls: conf.tls ? { serverName: conf.tls_options } : undefined,
  };
  return {
    async send(entries) {
      log.info(`sending a batch logs to ${conf.host}:${conf.port}`);
      await sendOverTcp(target, jsonOfBatch(entries, conf));
    },
  };
}
