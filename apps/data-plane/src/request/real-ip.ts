import { IpSet, isIpAddress } from '@polygate/model';
import type { HeaderList, Peer } from '@polygate/plugin-sdk';

export interface RealIpSettings {
  /** Lower or upper case; `X-Forwarded-For` is read as a list. */
  readonly header: string;
  /** Whether addresses of trusted proxies are passed over in a list. */
  readonly recursive: boolean;
  /** Addresses and CIDRs of proxies; `unix:` is ignored, since nobody comes by a unix socket here. */
  readonly from: readonly string[];
}

/** The client that a trusted proxy names, or the peer itself. */
export type FindClient = (peer: Peer, headers: HeaderList) => Peer;

/** nginx's `set_real_ip_from`, `real_ip_header` and `real_ip_recursive` (ngx_http_realip_module). */
export function createFindClient({ header, recursive, from }: RealIpSettings): FindClient {
  const proxies = new IpSet(from.filter((source) => source !== 'unix:'));
  const lowerName = header.toLowerCase();
  const isList = lowerName === 'x-forwarded-for';
  return (peer, headers) => {
    if (headers.getKnown(lowerName) === undefined || !proxies.has(peer.address)) return peer;
    const values = headers.getAll(header);
    const listed = isList ? values.join(',').split(',') : values.slice(0, 1);
    let client = peer;
    for (const text of listed.toReversed()) {
      const named = parseAddress(text.trim());
      if (named === undefined) return client;
      client = named;
      if (!recursive || !proxies.has(client.address)) return client;
    }
    return client;
  };
}

/** `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`; without a port it is 0, as in nginx. */
function parseAddress(text: string): Peer | undefined {
  if (isIpAddress(text)) return { address: text, port: 0 };
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  if (address === undefined || !isIpAddress(address)) return undefined;
  return { address, port: Number(match?.[3] ?? 0) };
}
