import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { defineBatchedLogger, jsonEntries } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget, portOf } from '../log-sinks/log-sink-http.ts';
import { definition, type ClickhouseLoggerConf } from './clickhouse-logger.schema.ts';

/** Inserts entries into a table of ClickHouse, by its HTTP interface. */
export default defineBatchedLogger<ClickhouseLoggerConf, string>(definition, {
  entryMaker: jsonEntries,
  openSink,
});

function openSink(conf: ClickhouseLoggerConf, { log }: PluginEnvironment): LogSink<string> {
  const addresses =
    conf.endpoint_addr === undefined ? (conf.endpoint_addrs ?? []) : [conf.endpoint_addr];
  const target = openHttpTarget({
    timeoutMs: conf.timeout * 1000,
    verifyTls: conf.ssl_verify,
    keepAlive: undefined,
  });
  return {
    async send(entries) {
      const address = addresses[Math.floor(Math.random() * addresses.length)] ?? '';
      log.info(`sending a batch logs to ${address}`);
      const url = endpointUrl(address);
      const headers = {
        Host: url.hostname,
        'Content-Type': 'application/json',
        'X-ClickHouse-User': conf.user,
        'X-ClickHouse-Key': conf.password,
        'X-ClickHouse-Database': conf.database,
      };
      const body = `INSERT INTO ${conf.logtable} FORMAT JSONEachRow ${entries.join(' ')}`;
      const answer = await target.post(url, headers, body);
      if (answer.status < 400) return;
      throw new Error(
        `server returned status code[${answer.status}] host[${url.hostname}] ` +
          `port[${portOf(url)}] body[${answer.body.toString()}]`,
      );
    },
    close: () => target.close(),
  };
}
