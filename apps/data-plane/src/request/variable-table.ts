import { hostname } from 'node:os';
import { parseIpBytes } from '@polygate/model';
import type { GatewayContext } from './gateway-context.ts';
import { dateGmt, dateLocal, secondsText, timeIso8601, timeLocal } from './log-time.ts';

export type VariableReader = (ctx: GatewayContext) => string | undefined;

const HOSTNAME = hostname();
const NGINX_VERSION = '1.27.1';

/**
 * nginx's and APISIX's variables, each with one line for `docs/variables.md`; those with a variable
 * part of the name are in `PREFIXES`.
 */
export const VARIABLES: Readonly<Record<string, readonly [VariableReader, string]>> = {
  uri: [(ctx) => ctx.request.path, 'path of the request, decoded and normalized'],
  document_uri: [(ctx) => ctx.request.path, 'the same as `uri`'],
  request_uri: [(ctx) => `${ctx.request.path}${isArgs(ctx)}${ctx.request.query}`, 'path and query'],
  real_request_uri: [(ctx) => ctx.request.rawTarget, 'path and query as the client sent them'],
  upstream_uri: [
    (ctx) =>
      ctx.request.upstreamPath === undefined
        ? ''
        : `${ctx.request.upstreamPath}${isArgs(ctx)}${ctx.request.query}`,
    'path and query for the upstream, once a plugin has changed them',
  ],
  args: [(ctx) => (ctx.request.query === '' ? undefined : ctx.request.query), 'query'],
  query_string: [
    (ctx) => (ctx.request.query === '' ? undefined : ctx.request.query),
    'the same as `args`',
  ],
  is_args: [isArgs, '`?` where there is a query'],
  host: [(ctx) => ctx.request.host, 'host of the request, without its port'],
  hostname: [() => HOSTNAME, 'name of the machine'],
  server_name: [() => '_', '`_`: APISIX has one server'],
  method: [(ctx) => ctx.request.method, 'method of the request'],
  request_method: [(ctx) => ctx.request.method, 'the same as `method`'],
  request: [
    (ctx) => `${ctx.exchange.method} ${ctx.request.rawTarget} HTTP/${ctx.exchange.httpVersion}`,
    'first line of the request',
  ],
  request_line: [
    (ctx) => `${ctx.exchange.method} ${ctx.request.rawTarget} HTTP/${ctx.exchange.httpVersion}`,
    'the same as `request`',
  ],
  scheme: [(ctx) => ctx.request.scheme, '`http` or `https`'],
  https: [(ctx) => (ctx.request.scheme === 'https' ? 'on' : ''), '`on` for https'],
  server_protocol: [
    (ctx) => `HTTP/${ctx.exchange.httpVersion}`,
    'protocol of the request, as `HTTP/1.1`',
  ],
  remote_addr: [(ctx) => ctx.client.address, 'address of the client'],
  binary_remote_addr: [
    (ctx) => addressBytes(ctx.client.address),
    'address of the client, as its bytes',
  ],
  remote_port: [(ctx) => String(ctx.client.port), 'port of the client'],
  realip_remote_addr: [
    (ctx) => ctx.exchange.client.address,
    'address of the connection, whatever plugins make of `remote_addr`',
  ],
  realip_remote_port: [(ctx) => String(ctx.exchange.client.port), 'port of the connection'],
  server_addr: [(ctx) => ctx.server.address, 'address that the client connected to'],
  server_port: [(ctx) => String(ctx.server.port), 'port that the client connected to'],
  content_type: [(ctx) => ctx.request.headers.get('content-type'), 'header Content-Type'],
  content_length: [(ctx) => ctx.request.headers.get('content-length'), 'header Content-Length'],
  request_length: [(ctx) => String(ctx.bytesReceived), 'bytes of the request'],
  request_time: [
    (ctx) => secondsText(Date.now() - ctx.startTimeMs),
    'seconds since the request began',
  ],
  request_id: [(ctx) => ctx.requestId, 'id of the request'],
  apisix_request_id: [(ctx) => ctx.requestId, 'the same as `request_id`'],
  request_completion: [(ctx) => (ctx.aborted ? '' : 'OK'), '`OK` unless the client went away'],
  request_body: [
    (ctx) => ctx.request.bufferedBody?.toString('latin1'),
    'body of the request, where a plugin has read it',
  ],
  remote_user: [
    (ctx) => basicAuthUser(ctx.request.headers.get('authorization')),
    'user of Basic authentication, not checked',
  ],
  http2: [(ctx) => http2(ctx), '`h2` or `h2c` for HTTP/2'],
  pipe: [() => '.', '`.`: pipelining is not told'],
  proxy_add_x_forwarded_for: [
    (ctx) => [...ctx.request.headers.getAll('x-forwarded-for'), ctx.client.address].join(', '),
    'X-Forwarded-For with the client added',
  ],
  msec: [() => secondsText(Date.now()), 'now, in seconds since 1970'],
  time_iso8601: [() => timeIso8601(), 'now, as `2026-11-22T09:05:07+01:00`'],
  time_local: [() => timeLocal(), 'now, as `22/Nov/2026:09:05:07 +0100`'],
  pid: [() => String(process.pid), 'process id'],
  status: [
    (ctx) => (ctx.response.status === 0 ? undefined : String(ctx.response.status)),
    'status of the answer',
  ],
  bytes_sent: [(ctx) => String(ctx.bytesSent), 'bytes sent to the client'],
  body_bytes_sent: [
    (ctx) => String(ctx.bodyBytesSent),
    'bytes sent to the client, without the head',
  ],
  upstream_addr: [
    (ctx) => attemptsList(ctx, (attempt) => attempt.address),
    'nodes that were tried',
  ],
  upstream_status: [
    (ctx) => attemptsList(ctx, (attempt) => attempt.status?.toString() ?? '502'),
    'status of each try',
  ],
  upstream_connect_time: [
    (ctx) => attemptsList(ctx, ({ traffic }) => seconds(traffic?.connectTimeMs)),
    'seconds until there was a connection, handshake included, of each try',
  ],
  upstream_header_time: [
    (ctx) => attemptsList(ctx, (attempt) => seconds(attempt.headerTimeMs)),
    'seconds to the head, of each try',
  ],
  upstream_response_time: [
    (ctx) => attemptsList(ctx, (attempt) => seconds(attempt.responseTimeMs)),
    'seconds to the last byte, of each try',
  ],
  upstream_host: [
    (ctx) => ctx.request.upstreamHost ?? ctx.request.headers.get('host'),
    'Host header for the upstream',
  ],
  upstream_unresolved_host: [
    (ctx) => ctx.pickedNode?.host,
    'host of the node, as it is configured',
  ],
  // nginx.conf of APISIX begins with http
  upstream_scheme: [(ctx) => ctx.upstream?.scheme ?? 'http', 'scheme of the upstream'],
  balancer_ip: [
    (ctx) => ctx.attempts.at(-1)?.remoteAddress ?? ctx.pickedNode?.host,
    'host of the node',
  ],
  balancer_port: [(ctx) => ctx.pickedNode?.port.toString(), 'port of the node'],
  consumer_name: [(ctx) => ctx.consumer?.username, 'name of the consumer'],
  consumer_group_id: [(ctx) => ctx.consumer?.groupId, 'id of its group'],
  route_id: [(ctx) => ctx.route?.id, 'id of the route'],
  route_name: [(ctx) => ctx.route?.name, 'name of the route'],
  service_id: [(ctx) => ctx.route?.serviceId, 'id of the service'],
  service_name: [(ctx) => ctx.route?.serviceName, 'name of the service'],
  // a logger that saw the body puts it here
  resp_body: [() => '', 'body of the answer, where a logger keeps it'],
  matched_uri: [(ctx) => ctx.route?.matchedPath, 'pattern that the route was matched by'],
  connection: [
    (ctx) => ctx.exchange.connection?.serial.toString(),
    'serial number of the connection, in this thread',
  ],
  connection_requests: [
    (ctx) => ctx.exchange.connection?.requests.toString(),
    'requests that the connection has brought so far',
  ],
  connection_time: [
    ({ exchange: { connection } }) =>
      connection && secondsText(performance.now() - connection.startedMs),
    'seconds since the connection was made',
  ],
  proxy_protocol_addr: [() => '', 'empty: PROXY protocol is not served'],
  proxy_protocol_port: [() => '', 'empty: PROXY protocol is not served'],
  proxy_protocol_server_addr: [() => '', 'empty: PROXY protocol is not served'],
  proxy_protocol_server_port: [() => '', 'empty: PROXY protocol is not served'],
  nginx_version: [() => NGINX_VERSION, 'version of the nginx that APISIX 3.18 is made of'],
  limit_rate: [() => '0', '`0`: answers are sent as fast as they are taken'],
  document_root: [() => '', 'empty: no files are served'],
  realpath_root: [() => '', 'empty: no files are served'],
  request_filename: [() => '', 'empty: no files are served'],
  request_body_file: [() => '', 'empty: bodies are not kept in files'],
  date_local: [() => dateLocal(), 'now, as `Sunday, 22-Nov-2026 10:05:07 CET`'],
  date_gmt: [() => dateGmt(), 'now, as `Sunday, 22-Nov-2026 09:05:07 GMT`'],
  proxy_host: [() => 'apisix_backend', 'name that nginx.conf of APISIX has for all upstreams'],
  proxy_port: [
    ({ upstream }) => (upstream?.scheme === 'https' || upstream?.scheme === 'grpcs' ? '443' : '80'),
    'port that goes with the scheme of the upstream',
  ],
  upstream_response_length: [
    (ctx) => attemptsList(ctx, ({ bodyBytes = 0 }) => String(bodyBytes)),
    'bytes of the body, of each try',
  ],
  upstream_bytes_sent: [
    (ctx) => attemptsList(ctx, ({ traffic }) => String(traffic?.bytesSent ?? 0)),
    'bytes sent to the node, of each try; of gRPC without heads',
  ],
  upstream_bytes_received: [
    (ctx) => attemptsList(ctx, ({ traffic }) => String(traffic?.bytesReceived ?? 0)),
    'bytes that the node sent, of each try; of gRPC without heads',
  ],
  apisix_upstream_response_time: [
    (ctx) => attemptsList(ctx, (attempt) => seconds(attempt.responseTimeMs)),
    'the same as `upstream_response_time`, unless a plugin knows better',
  ],
  upstream_cache_status: [
    (ctx) => ctx.response.headers.get('apisix-cache-status'),
    'what proxy-cache did: `HIT`, `MISS`, `EXPIRED` and so on',
  ],
  upstream_upgrade: [
    (ctx) => ctx.exchange.upgrade ?? '',
    'protocol that the client wants to go on with',
  ],
  upstream_connection: [
    (ctx) => (ctx.exchange.upgrade === undefined ? '' : 'upgrade'),
    'header Connection for the upstream',
  ],
  upstream_mirror_host: [() => '', 'where proxy-mirror sends the request, too'],
  upstream_mirror_uri: [() => '', 'path and query of what proxy-mirror sends'],
  rate_limiting_info: [() => '', 'what limit-count found, as JSON'],
  original_x_forwarded_for: [
    (ctx) => ctx.originalForwarded?.for ?? '',
    'X-Forwarded-For as the client sent it, also where it is not trusted',
  ],
  original_x_forwarded_proto: [
    (ctx) => ctx.originalForwarded?.proto ?? '',
    'X-Forwarded-Proto as the client sent it',
  ],
  original_x_forwarded_host: [
    (ctx) => ctx.originalForwarded?.host ?? '',
    'X-Forwarded-Host as the client sent it',
  ],
  original_x_forwarded_port: [
    (ctx) => ctx.originalForwarded?.port ?? '',
    'X-Forwarded-Port as the client sent it',
  ],
  original_forwarded: [
    (ctx) => ctx.originalForwarded?.all ?? '',
    'Forwarded as the client sent it',
  ],
  request_type: [() => 'traditional_http', '`traditional_http`, unless an AI plugin says another'],
  tcpinfo_rtt: [() => '', 'empty: the system is not asked'],
  tcpinfo_rttvar: [() => '', 'empty: the system is not asked'],
  tcpinfo_snd_cwnd: [() => '', 'empty: the system is not asked'],
  tcpinfo_rcv_space: [() => '', 'empty: the system is not asked'],
};

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
