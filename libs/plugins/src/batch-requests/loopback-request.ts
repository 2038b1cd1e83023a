import { HOP_BY_HOP, type RequestContext } from '@polygate/plugin-sdk';
import type { LoopbackRequest } from './loopback-client.ts';
import type { Batch, BatchItem } from './read-batch.ts';

/** The connection's between client and gateway: another one has its own. */
const NOT_COPIED: ReadonlySet<string> = new Set([...HOP_BY_HOP, 'expect']);

/**
 * One request of a batch with what it takes from the batch and the client: its own headers and
 * arguments go before the batch's, and these before the client's headers, whose Content-* are left
 * out. The address of the client cannot be chosen.
 */
export function loopbackRequest(
  item: BatchItem,
  batch: Batch,
  ctx: RequestContext,
  realIpHeader: string,
): LoopbackRequest {
  const query = queryText({ ...batch.query, ...item.query });
  const target = query === '' ? item.path : `${item.path}?${query}`;
  const headers = headersOf(item, batch, ctx);
  headers[realIpHeader.toLowerCase()] = ctx.client.address;
  // of no method Node says it by itself
  if (item.body !== undefined) headers['content-length'] = `${Buffer.byteLength(item.body)}`;
  return { method: item.method, target, headers, body: item.body };
}

function headersOf(
  item: BatchItem,
  batch: Batch,
  ctx: RequestContext,
): Record<string, string | readonly string[]> {
  const headers = new Map<string, string | readonly string[]>();
  for (const given of [item.headers, batch.headers]) {
    for (const [name, value] of Object.entries(given ?? {})) {
      const lower = name.toLowerCase();
      if (!headers.has(lower) && !NOT_COPIED.has(lower)) headers.set(lower, headerText(value));
    }
  }
  const outer = ctx.request.headers;
  outer.forEach((_name, _value, lower) => {
    if (headers.has(lower) || NOT_COPIED.has(lower) || lower.startsWith('content-')) return;
    const values = outer.getAll(lower);
    headers.set(lower, values.length === 1 ? (values[0] as string) : values);
  });
  // what a batch says of lengths may be wrong
  headers.delete('content-length');
  return Object.fromEntries(headers);
}

function headerText(value: unknown): string | readonly string[] {
  return Array.isArray(value) ? value.map(String) : String(value);
}

/** As ngx.encode_args: a list is one argument after another, true stands alone. */
function queryText(args: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(args).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((one: unknown) => {
      if (one === false || one === null) return [];
      const encoded = encodeURIComponent(name);
      return one === true
        ? encoded
        : `${encoded}=${encodeURIComponent(typeof one === 'string' ? one : JSON.stringify(one))}`;
    }),
  );
  return pairs.join('&');
}
