import { hostname } from 'node:os';
import type { RequestContext } from '@polygate/plugin-sdk';
import { defineBatchedLogger } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { membersBehind } from '../log-entries/log-entry-format.ts';
import { latenciesOf, upstreamAddresses } from '../log-entries/log-entry-full.ts';
import { jsonArguments, jsonHeaders, jsonText } from '../log-entries/log-entry-json.ts';
import type { LogEntryBuilder } from '../log-entries/log-entry.ts';
import { endpointUrl, openHttpTarget } from '../log-sinks/log-sink-http.ts';
import { definition, type SplunkHecLoggingConf } from './splunk-hec-logging.schema.ts';

const CONNECTIONS_MAX = 5;
const HOST = jsonText(hostname());

/** `log_format_extra` never takes the place of these. */
const EVENT_FIELDS: ReadonlySet<string> = new Set([
  ...['request_url', 'request_method', 'request_headers', 'request_query', 'request_size'],
  ...['response_headers', 'response_status', 'response_size', 'latency'],
]);

/** Sends entries to Splunk's HTTP event collector. */
export default defineBatchedLogger<SplunkHecLoggingConf, string>(definition, {
  entryMaker: () => (ctx, json, builder) =>
    `{"time":${Date.now() / 1000},"source":"apache-apisix-splunk-hec-logging"` +
    `,"sourcetype":"_json","host":${HOST}` +
    `,"event":${builder.isCustom ? json : eventJson(ctx, builder)}}`,
  openSink,
});

function eventJson(ctx: RequestContext, { extra }: LogEntryBuilder): string {
  const { request, response, vars } = ctx;
  const uri = vars.get('request_uri') ?? request.rawTarget;
  const url = `${request.scheme}://${request.host}:${ctx.server.port}${uri}`;
  const upstream = upstreamAddresses(ctx);
  const added = extra.filter(
    ({ name }) => !EVENT_FIELDS.has(name) && (name !== 'upstream' || upstream === undefined),
  );
  return (
    `{"request_url":${jsonText(url)},"request_method":${jsonText(request.method)}` +
    `,"request_headers":${jsonHeaders(request.headers)}` +
    `,"request_query":${jsonArguments(request.getArguments())}` +
    `,"request_size":${ctx.bytesReceived},"response_headers":${jsonHeaders(response.headers)}` +
    `,"response_status":${response.status},"response_size":${ctx.bytesSent}` +
    `,"latency":${latenciesOf(ctx).totalMs}` +
    (upstream === undefined ? '' : `,"upstream":${jsonText(upstream)}`) +
    `${membersBehind(added, ctx)}}`
  );
}

function openSink({ endpoint, ssl_verify }: SplunkHecLoggingConf): LogSink<string> {
  const target = openHttpTarget({
    timeoutMs: endpoint.timeout * 1000,
    verifyTls: ssl_verify,
    keepAlive: { idleMs: endpoint.keepalive_timeout, connectionsMax: CONNECTIONS_MAX },
  });
  const headers = {
    'Content-Type': 'application/json',
    Authorization: `Splunk ${endpoint.token}`,
    ...(endpoint.channel !== undefined && { 'X-Splunk-Request-Channel': endpoint.channel }),
  };
  return {
    async send(entries) {
      const answer = await target.post(endpointUrl(endpoint.uri), headers, entries.join(''));
      if (answer.status === 200) return;
      throw new Error(`failed to send splunk, ${reasonIn(answer.body.toString(), answer.status)}`);
    },
    close: () => target.close(),
  };
}

/** Splunk's own words, where it has some. */
function reasonIn(body: string, status: number): string {
  try {
    const { text } = JSON.parse(body) as { readonly text?: unknown };
    if (typeof text === 'string') return text;
  } catch (error) {
    // no JSON: an answer of something that stands before Splunk
    if (!(error instanceof SyntaxError)) throw error;
  }
  return `http status code: ${status}`;
}
