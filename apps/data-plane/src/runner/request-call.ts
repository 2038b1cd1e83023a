import { isIP } from 'node:net';
import type { TraceHeaders } from '@polygate/chassis';
import { GatewayError } from '@polygate/plugin-sdk';
import type { ExternalConf, RequestContext } from '@polygate/plugin-sdk';
import type { Entry, RequestCall } from '@polygate/rpc';
import { headerTextToUtf8 } from './wire-text.ts';

/** The methods that the runner protocol has numbers for. */
const METHODS: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'MKCOL', 'COPY', 'MOVE', 'OPTIONS'],
  ...['PROPFIND', 'PROPPATCH', 'LOCK', 'UNLOCK', 'PATCH', 'TRACE'],
]);

/**
 * The request as a runner is to see it. Follows `rpc_handlers[RPC_HTTP_REQ_CALL]` of APISIX's
 * `ext-plugin/init.lua`, but refuses methods that the protocol does not know with RUNNER_FAILED:
 * APISIX shows them as GET, and a plugin that allows GET would let them pass.
 */
export function buildRequestCall(
  ctx: RequestContext,
  conf: ExternalConf,
  trace: TraceHeaders | undefined,
): RequestCall {
  const { request } = ctx;
  if (!METHODS.has(request.method)) {
    throw new GatewayError(
      'RUNNER_FAILED',
      `the runner protocol has no method ${JSON.stringify(request.method)}`,
    );
  }
  return {
    conf: { key: conf.key, plugins: conf.plugins as RequestCallPlugins },
    method: request.method,
    path: currentPath(ctx),
    args: argumentEntries(ctx),
    headers: headerEntries(ctx),
    sourceIp: ipBytes(ctx.client.address),
    timeoutMs: 0,
    traceparent: trace?.traceparent ?? '',
    tracestate: trace?.tracestate ?? '',
  };
}

type RequestCallPlugins = NonNullable<RequestCall['conf']>['plugins'];

/** Arguments that an earlier plugin put behind the path replace the request's, as in APISIX. */
function currentPath({ request }: RequestContext): string {
  const path = request.upstreamPath;
  if (path === undefined) return request.path;
  const mark = path.indexOf('?');
  if (mark === -1) return path;
  request.query = path.slice(mark + 1);
  request.upstreamPath = path.slice(0, mark);
  return request.upstreamPath;
}

function argumentEntries({ request }: RequestContext): Entry[] {
  return request.query === '' ? [] : request.getArguments().map(entryOf);
}

function entryOf({ name, value }: Entry): Entry {
  return value === undefined ? { name } : { name, value };
}

function headerEntries({ request }: RequestContext): Entry[] {
  const entries: Entry[] = [];
  const host = request.upstreamHost;
  request.headers.forEach((_, value, name) => {
    const shown = name === 'host' && host !== undefined ? host : value;
    entries.push({ name, value: headerTextToUtf8(shown) });
  });
  return entries;
}

/** 4 or 16 bytes; none where the client came over a unix socket. */
function ipBytes(address: string): Buffer {
  const percent = address.indexOf('%');
  const plain = percent === -1 ? address : address.slice(0, percent);
  switch (isIP(plain)) {
    case 4:
      return Buffer.from(plain.split('.').map(Number));
    case 6:
      return ipv6Bytes(plain);
    default:
      return Buffer.alloc(0);
  }
}

/** Expects what `isIP` has found to be an IPv6 address. */
function ipv6Bytes(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  const dotted = address.includes('.') ? address.slice(address.lastIndexOf(':') + 1) : '';
  if (dotted !== '') bytes.set(dotted.split('.').map(Number), 12);
  const end = dotted === '' ? 16 : 12;
  const [head = '', tail] = address.slice(0, address.length - dotted.length).split('::');
  const groupsOf = (text: string) => text.split(':').filter((group) => group !== '');
  groupsOf(head).forEach((group, i) => bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2));
  const last = groupsOf(tail ?? '');
  const start = end - last.length * 2;
  last.forEach((group, i) => bytes.writeUInt16BE(Number.parseInt(group, 16), start + i * 2));
  return bytes;
}
