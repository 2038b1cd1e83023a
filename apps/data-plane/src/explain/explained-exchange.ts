import { HeaderList } from '@polygate/plugin-sdk';
import type { Peer } from '@polygate/plugin-sdk';
import type { Exchange, RequestBody } from '../request/exchange.ts';
import type { ExplainQuestion } from './question.ts';

/** A request without a connection. Nothing can be sent: what is explained is never answered. */
export function explainedExchange(question: ExplainQuestion, server: Peer): Exchange {
  const headers = new HeaderList();
  for (const [name, value] of question.headers) headers.append(name, value);
  return {
    method: question.method,
    target: question.target,
    httpVersion: '1.1',
    scheme: question.scheme,
    headers,
    client: { address: question.clientAddress, port: 0 },
    server,
    tls: undefined,
    body: bodyOf(question.body),
    upgrade: headers.get('upgrade'),
    bytesSent: 0,
    bytesReceived: 0,
    listen: () => undefined,
    sendInformational: refuse,
    sendHead: refuse,
    sendChunk: refuse,
    end: refuse,
    openTunnel: refuse,
    destroy: () => undefined,
  };
}

function bodyOf(bytes: Uint8Array | undefined): RequestBody {
  const complete = bytes === undefined ? undefined : Buffer.from(bytes);
  return {
    present: complete !== undefined,
    length: complete?.length,
    complete,
    readAll: () => Promise.resolve(complete ?? Buffer.alloc(0)),
    stream: refuse,
    resume: () => undefined,
  };
}

function refuse(): never {
  throw new Error('a request that is explained has no connection');
}
