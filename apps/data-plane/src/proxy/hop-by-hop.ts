import { HOP_BY_HOP } from '@polygate/plugin-sdk';
import type { HeaderList } from '@polygate/plugin-sdk';

/** Headers that the sender says are for this connection only; undefined: none beyond the usual. */
export function namedInConnection(headers: HeaderList): string[] | undefined {
  const connection = headers.getKnown('connection');
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') {
    return undefined;
  }
  return headers
    .getAll('connection')
    .flatMap((value) => value.toLowerCase().split(','))
    .map((name) => name.trim());
}

/** What a node says of its connection to us is not for the client (RFC 9110, 7.6.1). */
export function dropHopByHop(headers: HeaderList): void {
  const named = namedInConnection(headers);
  if (named === undefined) headers.retain(isEndToEnd);
  else headers.retain((lower) => isEndToEnd(lower) && !named.includes(lower));
}

function isEndToEnd(lowerName: string): boolean {
  return !HOP_BY_HOP.has(lowerName);
}
