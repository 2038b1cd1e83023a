import { isIP } from 'node:net';
import { GatewayError } from '@polygate/plugin-sdk';
import type { QueryArgument, RequestContext } from '@polygate/plugin-sdk';
import type { RequestShown } from './call-frames.ts';

/** The methods that the runner protocol has numbers for. */
const METHODS: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'MKCOL', 'COPY', 'MOVE', 'OPTIONS'],
  ...['PROPFIND', 'PROPPATCH', 'LOCK', 'UNLOCK', 'PATCH', 'TRACE'],
]);

const NO_ARGUMENTS: readonly QueryArgument[] = [];

export type ShownParts = Pick<
  RequestShown,
  'method' | 'path' | 'args' | 'headers' | 'host' | 'sourceIp'
>;

/**
 * The request as a runner is to see it. Follows `rpc_handlers[RPC_HTTP_REQ_CALL]` of APISIX's
 * `ext-plugin/init.lua`, but refuses methods that the protocol does not know with RUNNER_FAILED:
 * APISIX shows them as GET, and a plugin that allows GET would let them pass.
 */
export function showRequest(ctx: RequestContext): ShownParts {
  const { request } = ctx;
  if (!METHODS.has(request.method)) {
    throw new GatewayError(
      'RUNNER_FAILED',
      `the runner protocol has no method ${JSON.stringify(request.method)}`,
    );
  }
  const path = currentPath(ctx);
  return {
    method: request.method,
    path,
    args: request.query === '' ? NO_ARGUMENTS : request.getArguments(),
    headers: request.headers,
    host: request.upstreamHost,
    sourceIp: addressBytes(ctx.client.address),
  };
}

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

/** Clients come again: their addresses need not be parsed each time. */
const KNOWN_ADDRESSES_MAX = 1024;
const knownAddresses = new Map<string, Buffer>();

function addressBytes(address: string): Buffer {
  const known = knownAddresses.get(address);
  if (known !== undefined) return known;
  if (knownAddresses.size >= KNOWN_ADDRESSES_MAX) knownAddresses.clear();
  const bytes = ipBytes(address);
  knownAddresses.set(address, bytes);
  return bytes;
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
