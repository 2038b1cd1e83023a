import { hostname } from 'node:os';
import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { decodeBase64Url } from '../base64.ts';
import { defineBatchedLogger, type EntryMaker } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget, portOf } from '../log-sinks/log-sink-http.ts';
import { definition, type SkywalkingLoggerConf } from './skywalking-logger.schema.ts';

const PATH = '/v3/logs';
/** 1-trace-segment-span-service-instance-endpoint-address */
const TRACE_PARTS = 8;

/** Sends entries to SkyWalking's log receiver, each with the trace that the client is in. */
export default defineBatchedLogger<SkywalkingLoggerConf, string>(definition, {
  entryMaker,
  openSink,
});

function entryMaker(conf: SkywalkingLoggerConf): EntryMaker<string> {
  const service = conf.service_name;
  const named = conf.service_instance_name;
  const serviceInstance = named === '$hostname' ? hostname() : named;
  return (ctx, json) =>
    JSON.stringify({
      traceContext: traceOf(ctx),
      body: { json: { json } },
      service,
      serviceInstance,
      endpoint: ctx.vars.get('uri'),
    });
}

/** Undefined without a header `sw8` that can be read. */
function traceOf({ request, log }: RequestContext): object | undefined {
  const header = request.headers.get('sw8');
  if (header === undefined) return undefined;
  const parts = header.split('-');
  if (parts.length !== TRACE_PARTS) {
    log.warn(`failed to parse trace_context header: ${header}`);
    return undefined;
  }
  const [, trace = '', segment = '', span = ''] = parts;
  return {
    traceId: decodeBase64Url(trace)?.toString(),
    traceSegmentId: decodeBase64Url(segment)?.toString(),
    spanId: /^\d+$/.test(span) ? Number(span) : undefined,
  };
}

function openSink(conf: SkywalkingLoggerConf, { log }: PluginEnvironment): LogSink<string> {
  const target = openHttpTarget({
    timeoutMs: conf.timeout * 1000,
    verifyTls: false,
    keepAlive: undefined,
  });
  return {
    async send(entries) {
      log.info(`sending a batch logs to ${conf.endpoint_addr}`);
      const url = new URL(PATH, endpointUrl(conf.endpoint_addr));
      const headers = { Host: url.hostname, 'Content-Type': 'application/json' };
      const answer = await target.post(url, headers, `[${entries.join(',')}]`);
      if (answer.status < 400) return;
      throw new Error(
        `server returned status code[${answer.status}] host[${url.hostname}] ` +
          `port[${portOf(url)}] body[${answer.body.toString()}]`,
      );
    },
    close: () => target.close(),
  };
}
