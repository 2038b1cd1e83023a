import { hostname } from 'node:os';
import { contextKey, GatewayError } from '@polygate/plugin-sdk';
import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import packageJson from '../package.json' with { type: 'json' };
import { compileCondition, compileMatch, type Condition } from './log-entry-condition.ts';
import { compileMembers, jsonObject, type FormatMember } from './log-entry-format.ts';
import { jsonArguments, jsonHeaders, jsonText } from './log-entry-json.ts';
import { ResponseCapture } from './log-entry-response.ts';
import type { LogEntryConf } from './log-entry.schema.ts';

const BODY_BYTES = 524_288;

/** Makes log entries out of requests, as every logger of APISIX does: apisix/utils/log-util.lua. */
export interface LogEntryBuilder {
  /** Whether there is a `log_format`, of the conf or the metadata: the entry then holds that alone. */
  readonly isCustom: boolean;
  readonly readsRequestBody: boolean;
  readonly readsResponseBody: boolean;
  /** For the access phase; nothing where `readsRequestBody` is false. Rejects with a GatewayError. */
  readRequestBody(ctx: RequestContext): Promise<void> | void;
  /** For the bodyFilter phase; nothing where `readsResponseBody` is false. */
  captureResponse(ctx: RequestContext, chunk: Buffer): void;
  /** For the log phase: an object as JSON, on one line. Undefined where `match` does not hold. */
  json(ctx: RequestContext): string | undefined;
}

export function prepareLogEntry(
  conf: LogEntryConf,
  { metadata, log }: Pick<PluginEnvironment, 'metadata' | 'log'>,
): LogEntryBuilder {
  const bodies = new LoggedBodies(conf);
  const matches = conf.match === undefined ? undefined : compileMatch(conf.match, log);
  const options = { requestBody: (ctx: RequestContext) => bodies.requestBody(ctx), log };
  const format = conf.log_format ?? filled(metadata['log_format']);
  const extra = conf.log_format_extra ?? filled(metadata['log_format_extra']);
  let write: (ctx: RequestContext) => string;
  if (format === undefined) {
    const members = compileMembers(extra ?? {}, options);
    const added = members.filter(({ name }) => !ALWAYS_THERE.has(name));
    write = (ctx) => fullEntry(ctx, bodies, added);
  } else {
    const members = compileMembers(format, options);
    write = (ctx) => customEntry(ctx, bodies, members);
  }
  return {
    isCustom: format !== undefined,
    readsRequestBody: bodies.readsRequest,
    readsResponseBody: bodies.response !== undefined,
    readRequestBody: (ctx) => bodies.readRequest(ctx),
    captureResponse: (ctx, chunk) => bodies.response?.take(ctx, chunk),
    json: (ctx) => (matches === undefined || matches(ctx) ? write(ctx) : undefined),
  };
}

/** The bodies that a conf wants to see, cut off at its limits. */
class LoggedBodies {
  readonly readsRequest: boolean;
  readonly response: ResponseCapture | undefined;
  readonly #requestBytesMax: number;
  readonly #requestWanted: Condition | undefined;
  readonly #read = contextKey<Buffer>('log-entry-request-body');

  constructor(conf: LogEntryConf) {
    this.readsRequest = conf.include_req_body === true;
    this.#requestBytesMax = conf.max_req_body_bytes ?? BODY_BYTES;
    this.#requestWanted = compileCondition(conf.include_req_body_expr);
    if (conf.include_resp_body === true) {
      this.response = new ResponseCapture(
        conf.max_resp_body_bytes ?? BODY_BYTES,
        compileCondition(conf.include_resp_body_expr),
      );
    }
  }

  /** A body that cannot be held, but could pass as a stream, passes: the log does without it. */
  readRequest(ctx: RequestContext): Promise<void> | void {
    if (!this.readsRequest || this.#requestWanted?.(ctx) === false) return;
    return ctx.request.readBody().then(
      (body) => {
        if (body !== undefined) ctx.set(this.#read, body.subarray(0, this.#requestBytesMax));
      },
      (error: unknown) => {
        const isTooLarge = error instanceof GatewayError && error.code === 'REQUEST_BODY_TOO_LARGE';
        // Content-Length told: nothing has been taken of it
        if (!isTooLarge || !ctx.request.headers.has('content-length')) throw error;
        ctx.log.warn(`fail to get request body: ${error.message}`);
      },
    );
  }

  requestBody(ctx: RequestContext): string | undefined {
    const read = ctx.get(this.#read)?.toString('latin1');
    return read ?? ctx.vars.get('request_body')?.slice(0, this.#requestBytesMax);
  }

  /** Only what `include_req_body` asked for. */
  readRequestBody(ctx: RequestContext): string | undefined {
    return ctx.get(this.#read)?.toString('latin1');
  }
}

const SERVER = `"server":{"hostname":${jsonText(hostname())},"version":"${packageJson.version}"}`;

/** Extra fields never take the place of these. */
const ALWAYS_THERE: ReadonlySet<string> = new Set([
  ...['request', 'response', 'server', 'service_id', 'client_ip'],
  ...['start_time', 'latency', 'apisix_latency'],
]);

function fullEntry(
  ctx: RequestContext,
  bodies: LoggedBodies,
  extra: readonly FormatMember[],
): string {
  const { route, consumer } = ctx;
  const latencyMs = Date.now() - ctx.startTimeMs;
  const upstreamMs = upstreamLatencyMs(ctx);
  const ownMs = Math.max(latencyMs - (upstreamMs ?? 0), 0);
  const serviceId = route === undefined ? ctx.request.host : (route.serviceId ?? '');
  const upstream = upstreamAddresses(ctx);
  const json =
    `{"request":${requestJson(ctx, bodies)},"response":${responseJson(ctx, bodies)},${SERVER}` +
    `,"client_ip":${jsonText(ctx.client.address)},"service_id":${jsonText(serviceId)}` +
    (route === undefined ? '' : `,"route_id":${jsonText(route.id)}`) +
    (consumer === undefined ? '' : `,"consumer":{"username":${jsonText(consumer.username)}}`) +
    (upstream === undefined ? '' : `,"upstream":${jsonText(upstream)}`) +
    `,"start_time":${ctx.startTimeMs},"latency":${latencyMs},"apisix_latency":${ownMs}` +
    (upstreamMs === undefined ? '' : `,"upstream_latency":${upstreamMs}`);
  if (extra.length === 0) return `${json}}`;
  const isThere: Readonly<Record<string, unknown>> = {
    route_id: route,
    consumer,
    upstream,
    upstream_latency: upstreamMs,
  };
  const added = extra.filter(
    ({ name }) => !Object.hasOwn(isThere, name) || isThere[name] === undefined,
  );
  return `${json}${membersBehind(added, ctx)}}`;
}

function requestJson(ctx: RequestContext, bodies: LoggedBodies): string {
  const { request, vars } = ctx;
  const uri = vars.get('request_uri') ?? request.rawTarget;
  const url = `${request.scheme}://${request.host}:${ctx.server.port}${uri}`;
  const query = request.query === '' ? '{}' : jsonArguments(request.getArguments());
  const body = bodies.readsRequest ? bodies.readRequestBody(ctx) : undefined;
  return (
    `{"url":${jsonText(url)},"uri":${jsonText(uri)},"method":${jsonText(request.method)}` +
    `,"headers":${jsonHeaders(request.headers)},"querystring":${query},"size":${ctx.bytesReceived}` +
    (body === undefined ? '}' : `,"body":${jsonText(body)}}`)
  );
}

function responseJson(ctx: RequestContext, bodies: LoggedBodies): string {
  const { response } = ctx;
  const body = bodies.response?.text(ctx);
  return (
    `{"status":${response.status},"headers":${jsonHeaders(response.headers)}` +
    `,"size":${ctx.bytesSent}${body === undefined ? '' : `,"body":${jsonText(body)}`}}`
  );
}

/** A matched route always says who it is, whatever the format has under those names. */
function customEntry(
  ctx: RequestContext,
  bodies: LoggedBodies,
  members: readonly FormatMember[],
): string {
  const { route, vars } = ctx;
  const body = bodies.response?.text(ctx);
  if (body !== undefined) vars.set('resp_body', body);
  if (route === undefined) return jsonObject(members, ctx);
  const service = route.serviceId === undefined ? '' : `,"service_id":${jsonText(route.serviceId)}`;
  const own = members.filter(({ name }) => name !== 'service_id' && name !== 'route_id');
  return `{"route_id":${jsonText(route.id)}${service}${membersBehind(own, ctx)}}`;
}

function membersBehind(members: readonly FormatMember[], ctx: RequestContext): string {
  const json = jsonObject(members, ctx);
  return json === '{}' ? '' : `,${json.slice(1, -1)}`;
}

/** Of all tries together; undefined when no upstream was tried, or none answered. */
function upstreamLatencyMs({ attempts }: RequestContext): number | undefined {
  let sum: number | undefined;
  for (const { responseTimeMs } of attempts) {
    if (responseTimeMs !== undefined) sum = (sum ?? 0) + responseTimeMs;
  }
  // whole milliseconds, as nginx measures
  return sum === undefined ? undefined : Math.round(sum);
}

function upstreamAddresses({ attempts }: RequestContext): string | undefined {
  if (attempts.length === 0) return undefined;
  if (attempts.length === 1) return attempts[0]?.address;
  return attempts.map(({ address }) => address).join(', ');
}

/** An empty format in the metadata is none, in a conf it is one. */
function filled(format: unknown): Readonly<Record<string, unknown>> | undefined {
  const isFormat = typeof format === 'object' && format !== null && !Array.isArray(format);
  if (!isFormat || Object.keys(format).length === 0) return undefined;
  return format as Readonly<Record<string, unknown>>;
}
