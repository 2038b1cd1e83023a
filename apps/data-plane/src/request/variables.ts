import { hostname } from 'node:os';
import { parseIpBytes } from '@polygate/model';
import type { ExpressionValue, ExpressionVars } from '@polygate/model';
import type { HeaderList, Variables } from '@polygate/plugin-sdk';
import type { GatewayContext } from './gateway-context.ts';
import { secondsText, timeIso8601, timeLocal } from './log-time.ts';
import { sslVariable } from '../tls/ssl-variables.ts';
import { captureParameters } from '../routing/path-parameters.ts';
import { BodyVariables } from './body-variables.ts';
import { bodyMatters, bodySource, isOfBody } from './body-source.ts';
import { firstArgument } from './query.ts';

const HOSTNAME = hostname();

type Reader = (ctx: GatewayContext) => string | undefined;

/** nginx's and APISIX's variables; those with a variable part of the name are in `PREFIXES`. */
const READERS: Readonly<Record<string, Reader>> = {
  uri: (ctx) => ctx.request.path,
  document_uri: (ctx) => ctx.request.path,
  request_uri: (ctx) => `${ctx.request.path}${isArgs(ctx)}${ctx.request.query}`,
  real_request_uri: (ctx) => ctx.request.rawTarget,
  upstream_uri: (ctx) =>
    ctx.request.upstreamPath === undefined
      ? ''
      : `${ctx.request.upstreamPath}${isArgs(ctx)}${ctx.request.query}`,
  args: (ctx) => (ctx.request.query === '' ? undefined : ctx.request.query),
  query_string: (ctx) => (ctx.request.query === '' ? undefined : ctx.request.query),
  is_args: isArgs,
  host: (ctx) => ctx.request.host,
  hostname: () => HOSTNAME,
  server_name: () => '_',
  method: (ctx) => ctx.request.method,
  request_method: (ctx) => ctx.request.method,
  request: (ctx) =>
    `${ctx.exchange.method} ${ctx.request.rawTarget} HTTP/${ctx.exchange.httpVersion}`,
  request_line: (ctx) =>
    `${ctx.exchange.method} ${ctx.request.rawTarget} HTTP/${ctx.exchange.httpVersion}`,
  scheme: (ctx) => ctx.request.scheme,
  https: (ctx) => (ctx.request.scheme === 'https' ? 'on' : ''),
  server_protocol: (ctx) => `HTTP/${ctx.exchange.httpVersion}`,
  remote_addr: (ctx) => ctx.client.address,
  binary_remote_addr: (ctx) => addressBytes(ctx.client.address),
  remote_port: (ctx) => String(ctx.client.port),
  realip_remote_addr: (ctx) => ctx.exchange.client.address,
  realip_remote_port: (ctx) => String(ctx.exchange.client.port),
  server_addr: (ctx) => ctx.server.address,
  server_port: (ctx) => String(ctx.server.port),
  content_type: (ctx) => ctx.request.headers.get('content-type'),
  content_length: (ctx) => ctx.request.headers.get('content-length'),
  request_length: (ctx) => String(ctx.bytesReceived),
  request_time: (ctx) => secondsText(Date.now() - ctx.startTimeMs),
  request_id: (ctx) => ctx.requestId,
  apisix_request_id: (ctx) => ctx.requestId,
  request_completion: (ctx) => (ctx.aborted ? '' : 'OK'),
  request_body: (ctx) => ctx.request.bufferedBody?.toString('latin1'),
  remote_user: (ctx) => basicAuthUser(ctx.request.headers.get('authorization')),
  http2: (ctx) => http2(ctx),
  pipe: () => '.',
  proxy_add_x_forwarded_for: (ctx) =>
    [...ctx.request.headers.getAll('x-forwarded-for'), ctx.client.address].join(', '),
  msec: () => secondsText(Date.now()),
  time_iso8601: () => timeIso8601(),
  time_local: () => timeLocal(),
  pid: () => String(process.pid),
  status: (ctx) => (ctx.response.status === 0 ? undefined : String(ctx.response.status)),
  bytes_sent: (ctx) => String(ctx.bytesSent),
  body_bytes_sent: (ctx) => String(ctx.bodyBytesSent),
  upstream_addr: (ctx) => attemptsList(ctx, (attempt) => attempt.address),
  upstream_status: (ctx) => attemptsList(ctx, (attempt) => attempt.status?.toString() ?? '502'),
  upstream_header_time: (ctx) => attemptsList(ctx, (attempt) => seconds(attempt.headerTimeMs)),
  upstream_response_time: (ctx) => attemptsList(ctx, (attempt) => seconds(attempt.responseTimeMs)),
  upstream_host: (ctx) => ctx.request.upstreamHost ?? ctx.request.headers.get('host'),
  upstream_unresolved_host: (ctx) => ctx.pickedNode?.host,
  // nginx.conf of APISIX begins with http
  upstream_scheme: (ctx) => ctx.upstream?.scheme ?? 'http',
  balancer_ip: (ctx) => ctx.pickedNode?.host,
  balancer_port: (ctx) => ctx.pickedNode?.port.toString(),
  consumer_name: (ctx) => ctx.consumer?.username,
  consumer_group_id: (ctx) => ctx.consumer?.groupId,
  route_id: (ctx) => ctx.route?.id,
  route_name: (ctx) => ctx.route?.name,
  service_id: (ctx) => ctx.route?.serviceId,
  service_name: (ctx) => ctx.route?.serviceName,
  // a logger that saw the body puts it here
  resp_body: () => '',
  matched_uri: (ctx) => ctx.route?.matchedPath,
};

const PREFIXES: readonly (readonly [string, (rest: string) => Reader])[] = [
  ['ssl_', (name) => (ctx) => sslVariable(ctx.exchange.tls, `ssl_${name}`)],
  ['arg_', (name) => (ctx) => firstArgument(ctx.request.query, name)],
  ['http_', (name) => headerReader(name, (ctx) => ctx.request.headers)],
  ['sent_http_', (name) => headerReader(name, (ctx) => ctx.response.headers)],
  ['post_arg_', (name) => (ctx) => bodyText(ctx, `post_arg_${name}`)],
  ['post_arg.', (path) => (ctx) => bodyText(ctx, `post_arg.${path}`)],
  ['graphql_', (name) => (ctx) => bodyText(ctx, `graphql_${name}`)],
  ['uri_param_', (name) => (ctx) => pathParameter(ctx, name)],
  ['cookie_', (name) => (ctx) => cookie(ctx.request.headers.getAll('cookie'), name)],
];

/** By whole name, also those out of `PREFIXES` that were asked for before. */
const READER_OF = new Map<string, Reader>(Object.entries(READERS));
/** Names come out of the configuration, which may change without end. */
const READERS_MAX = 4096;

function findReader(name: string): Reader {
  const entry = PREFIXES.find(([prefix]) => name.startsWith(prefix));
  const reader = entry === undefined ? noValue : entry[1](name.slice(entry[0].length));
  if (READER_OF.size < READERS_MAX) READER_OF.set(name, reader);
  return reader;
}

function noValue(): undefined {}

function headerReader(name: string, of: (ctx: GatewayContext) => HeaderList): Reader {
  const header = name.replaceAll('_', '-').toLowerCase();
  if (!header.includes('-')) return (ctx) => of(ctx).get(header);
  return (ctx) => of(ctx).get(header) ?? withUnderscores(of(ctx), header);
}

/** To nginx `x_user` and `x-user` are both `$http_x_user`. */
function withUnderscores(headers: HeaderList, header: string): string | undefined {
  let found: string | undefined;
  headers.forEach((name, value) => {
    if (found !== undefined || !name.includes('_')) return;
    if (name.replaceAll('_', '-').toLowerCase() === header) found = value;
  });
  return found;
}

/** Variables of one request. Plugins may override any of them for the rest of it. */
export class RequestVariables implements Variables {
  readonly #ctx: GatewayContext;
  #overrides: Map<string, string | undefined | (() => string)> | undefined;
  #typed: ExpressionVars | undefined;
  #body: BodyVariables | undefined;

  constructor(ctx: GatewayContext) {
    this.#ctx = ctx;
  }

  get(name: string): string | undefined {
    if (this.#overrides?.has(name) === true) {
      const value = this.#overrides.get(name);
      return typeof value === 'function' ? value() : value;
    }
    return (READER_OF.get(name) ?? findReader(name))(this.#ctx);
  }

  /** The same, where variables of the body are not made a text. */
  get typed(): ExpressionVars {
    return (this.#typed ??= {
      get: (name) =>
        isOfBody(name) && this.#overrides?.has(name) !== true
          ? this.bodyValue(name)
          : this.get(name),
    });
  }

  /** Of a variable of the body. One that has not come yet is noted as wanted, and has no value. */
  bodyValue(name: string): ExpressionValue {
    const { request } = this.#ctx;
    const former = this.#body?.source.body;
    const body = bodyMatters(name, request) ? request.wantBody() : former;
    if (this.#body === undefined || former !== body) {
      this.#body = new BodyVariables(bodySource(this.#ctx, body));
    }
    // what is not here yet is not missing, and nothing to complain of
    if (request.isBodyWanted) return undefined;
    if (name.startsWith('post_arg_')) return this.#body.formArgument(name.slice(9));
    if (name.startsWith('post_arg.')) return this.#body.postArgument(name.slice(9));
    return this.#body.graphql(name.slice(8));
  }

  set(name: string, value: string | undefined | (() => string)): void {
    this.#overrides ??= new Map();
    this.#overrides.set(name, value);
  }
}

function bodyText(ctx: GatewayContext, name: string): string | undefined {
  const value = ctx.vars.bodyValue(name);
  return value === undefined || typeof value === 'string' ? value : JSON.stringify(value);
}

/** Of the pattern that matched: `:id`, `*rest`. */
function pathParameter({ route, request }: GatewayContext, name: string): string | undefined {
  if (route === undefined) return undefined;
  return captureParameters(route.matchedPath, request.matchPath).get(name);
}

function isArgs(ctx: GatewayContext): string {
  return ctx.request.query === '' ? '' : '?';
}

/** One character a byte. */
function addressBytes(address: string): string | undefined {
  const bytes = parseIpBytes(address);
  return bytes === undefined ? undefined : String.fromCharCode(...bytes);
}

/** nginx's `$http2`. */
function http2({ exchange }: GatewayContext): string {
  if (exchange.httpVersion !== '2.0') return '';
  return exchange.scheme === 'https' ? 'h2' : 'h2c';
}

/** nginx's `$remote_user`: who the client says it is, not checked. */
function basicAuthUser(authorization: string | undefined): string | undefined {
  if (authorization === undefined || !/^basic /i.test(authorization)) return undefined;
  const pair = Buffer.from(authorization.slice(6).trim(), 'base64').toString('latin1');
  const colon = pair.indexOf(':');
  return colon === -1 ? undefined : pair.slice(0, colon);
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '-' : secondsText(ms);
}

/** One value a try, as nginx lists them. Undefined when no upstream was tried. */
function attemptsList(
  ctx: GatewayContext,
  read: (attempt: GatewayContext['attempts'][number]) => string,
): string | undefined {
  const [first] = ctx.attempts;
  if (first === undefined) return undefined;
  return ctx.attempts.length === 1 ? read(first) : ctx.attempts.map(read).join(', ');
}

function cookie(headers: readonly string[], name: string): string | undefined {
  for (const header of headers) {
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=');
      if (equals !== -1 && pair.slice(0, equals).trim() === name)
        return pair.slice(equals + 1).trim();
    }
  }
  return undefined;
}
