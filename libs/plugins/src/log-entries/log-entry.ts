import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { LoggedBodies } from './log-entry-bodies.ts';
import { compileMatch } from './log-entry-condition.ts';
import {
  compileMembers,
  jsonObject,
  membersBehind,
  type FormatMember,
} from './log-entry-format.ts';
import { FullEntry } from './log-entry-full.ts';
import { jsonText } from './log-entry-json.ts';
import type { LogEntryConf } from './log-entry.schema.ts';

/** Makes log entries out of requests, as every logger of APISIX does: apisix/utils/log-util.lua. */
export interface LogEntryBuilder {
  /** Whether there is a `log_format`, of the conf or the metadata: the entry then holds that alone. */
  readonly isCustom: boolean;
  /** `log_format_extra`, of an entry that is not custom: for a logger that builds its own. */
  readonly extra: readonly FormatMember[];
  readonly readsRequestBody: boolean;
  readonly readsResponseBody: boolean;
  /** For the access phase; nothing where `readsRequestBody` is false. Rejects with a GatewayError. */
  readRequestBody(ctx: RequestContext): Promise<void> | void;
  /** For the bodyFilter phase; nothing where `readsResponseBody` is false. */
  captureResponse(ctx: RequestContext, chunk: Buffer): void;
  /** As `include_req_body` asked for it, of one character a byte; undefined: it did not, or there is none. */
  requestBody(ctx: RequestContext): string | undefined;
  /** For the log phase: an object as JSON, on one line. Undefined where `match` does not hold. */
  json(ctx: RequestContext): string | undefined;
}

export interface LogEntryOptions {
  /** `route_id` of an entry that has none. Default: it stays without. */
  readonly unmatchedRouteId?: string;
}

export function prepareLogEntry(
  conf: LogEntryConf,
  { metadata, log }: Pick<PluginEnvironment, 'metadata' | 'log'>,
  { unmatchedRouteId }: LogEntryOptions = {},
): LogEntryBuilder {
  const bodies = new LoggedBodies(conf, log);
  // most schemas do not know `match`, and let in anything by that name
  const matches = Array.isArray(conf.match) ? compileMatch(conf.match, log) : undefined;
  const options = { requestBody: (ctx: RequestContext) => bodies.requestBody(ctx), log };
  const format = conf.log_format ?? filled(metadata['log_format']);
  const extra = conf.log_format_extra ?? filled(metadata['log_format_extra']);
  let write: (ctx: RequestContext) => string;
  let added: readonly FormatMember[] = [];
  if (format === undefined) {
    added = compileMembers(extra ?? {}, options);
    const entry = new FullEntry(bodies, added, unmatchedRouteId);
    write = (ctx) => entry.json(ctx);
  } else {
    const members = compileMembers(format, options);
    write = (ctx) => customEntry(ctx, bodies, members, unmatchedRouteId);
  }
  return {
    isCustom: format !== undefined,
    extra: added,
    readsRequestBody: bodies.readsRequest,
    readsResponseBody: bodies.response !== undefined,
    readRequestBody: (ctx) => bodies.readRequest(ctx),
    requestBody: (ctx) => bodies.readRequestBody(ctx),
    captureResponse: (ctx, chunk) => bodies.response?.take(ctx, chunk),
    json: (ctx) => (matches === undefined || matches(ctx) ? write(ctx) : undefined),
  };
}

/** A matched route always says who it is, whatever the format has under those names. */
function customEntry(
  ctx: RequestContext,
  bodies: LoggedBodies,
  members: readonly FormatMember[],
  unmatchedRouteId: string | undefined,
): string {
  const { route, vars } = ctx;
  const body = bodies.response?.text(ctx);
  if (body !== undefined) vars.set('resp_body', body);
  if (route === undefined) {
    const hasId = members.some(
      ({ name, value }) => name === 'route_id' && value(ctx) !== undefined,
    );
    if (unmatchedRouteId === undefined || hasId) return jsonObject(members, ctx);
    return `{"route_id":${jsonText(unmatchedRouteId)}${membersBehind(members, ctx)}}`;
  }
  const service = route.serviceId === undefined ? '' : `,"service_id":${jsonText(route.serviceId)}`;
  const own = members.filter(({ name }) => name !== 'service_id' && name !== 'route_id');
  return `{"route_id":${jsonText(route.id)}${service}${membersBehind(own, ctx)}}`;
}

/** An empty format in the metadata is none, in a conf it is one. */
function filled(format: unknown): Readonly<Record<string, unknown>> | undefined {
  const isFormat = typeof format === 'object' && format !== null && !Array.isArray(format);
  if (!isFormat || Object.keys(format).length === 0) return undefined;
  return format as Readonly<Record<string, unknown>>;
}
