import { IpSet, isIpAddress } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { HeaderList, Peer, RequestContext } from '@polygate/plugin-sdk';
import { definition, type RealIpConf } from './real-ip.schema.ts';

interface Prepared {
  /** Undefined: everybody's word is taken. */
  readonly trusted: IpSet | undefined;
  readonly read: (ctx: RequestContext) => string | undefined;
}

const PORT_MAX = 65_535;

/** Takes the client's address from a header, an argument or a cookie. */
export default definePlugin<RealIpConf, Prepared>(definition, {
  prepare({ source, recursive, trusted_addresses: addresses }) {
    const trusted = addresses === undefined ? undefined : new IpSet(addresses);
    const passedOver = recursive ? trusted : undefined;
    const read: Prepared['read'] =
      source === 'http_x_forwarded_for'
        ? ({ request }) => forwardedFor(request.headers, passedOver)
        : ({ vars }) => vars.get(source);
    return { trusted, read };
  },

  rewrite(ctx, { trusted, read }) {
    if (trusted?.has(ctx.client.address) === false) return;
    const text = read(ctx);
    if (text === undefined || text === '') {
      ctx.log.warn('missing real address');
      return;
    }
    const peer = parsePeer(text);
    if (typeof peer === 'string') ctx.log.warn(peer);
    else ctx.client = peer;
  },
});

/** The last address of the last header, or the last that is no trusted proxy's. */
function forwardedFor(headers: HeaderList, passedOver: IpSet | undefined): string | undefined {
  const header = lastValue(headers, 'x-forwarded-for');
  if (header === undefined) return undefined;
  if (passedOver === undefined) return header.slice(header.lastIndexOf(',') + 1).trim();
  let end = header.length;
  for (;;) {
    const comma = header.lastIndexOf(',', end - 1);
    const address = header.slice(comma + 1, end).trim();
    // nobody is left to have sent the first one
    if (comma <= 0 || !passedOver.has(address)) return address;
    end = comma;
  }
}

function lastValue(headers: HeaderList, lowerName: string): string | undefined {
  for (let i = headers.size - 1; i >= 0; i--) {
    if (headers.lowerNameAt(i) === lowerName) return headers.valueAt(i);
  }
  return undefined;
}

const WITH_PORT = /^(?:\[([^\]]+)\]|([^:]+)):(.*)$/;

/** `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`; or why it is none. Without a port it is 0. */
function parsePeer(text: string): Peer | string {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIpAddress(bare)) return { address: bare, port: 0 };
  const match = WITH_PORT.exec(text);
  const address = match?.[1] ?? match?.[2];
  if (address === undefined || !isIpAddress(address)) return `bad address: ${text}`;
  const port = Number(match?.[3]);
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) return `bad port: ${match?.[3]}`;
  return { address, port };
}
