import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { defineBatchedLogger, jsonEntries, jsonOfBatch } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget, portOf } from '../log-sinks/log-sink-http.ts';
import { definition, type HttpLoggerConf } from './http-logger.schema.ts';

/** Sends entries to an HTTP server by POST. */
export default defineBatchedLogger<HttpLoggerConf, string>(definition, {
  unmatchedRouteId: 'no-matched',
  entryMaker: jsonEntries,
  openSink,
});

function openSink(conf: HttpLoggerConf, { log }: PluginEnvironment): LogSink<string> {
  const url = endpointUrl(conf.uri);
  const target = openHttpTarget({
    timeoutMs: conf.timeout * 1000,
    verifyTls: conf.ssl_verify,
    keepAlive: undefined,
  });
  const isJson = conf.concat_method === 'json';
  const headers = {
    // without the port, as APISIX sends it
    Host: url.hostname,
    'Content-Type': isJson ? 'application/json' : 'text/plain',
    ...(conf.auth_header !== undefined && { Authorization: conf.auth_header }),
  };
  return {
    async send(entries) {
      log.info(`sending a batch logs to ${conf.uri}`);
      const body = isJson ? jsonOfBatch(entries, conf) : entries.join('\n');
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
