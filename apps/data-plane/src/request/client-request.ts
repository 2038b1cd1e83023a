import type { ClientRequest, HeaderList, QueryArgument } from '@polygate/plugin-sdk';
import type { Exchange } from './exchange.ts';
import { formatQuery, parseQuery } from './query.ts';
import { hostWithoutPort } from './request-target.ts';
import type { RequestTarget } from './request-target.ts';

/** The SDK's view of a request over an exchange. */
export class GatewayRequest implements ClientRequest {
  readonly #exchange: Exchange;
  readonly #bodyBytesMax: number;
  method: string;
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly rawTarget: string;
  readonly path: string;
  upstreamPath: string | undefined = undefined;
  upstreamHost: string | undefined = undefined;
  readonly headers: HeaderList;
  #query: string;
  #queryChanged = false;
  #args: readonly QueryArgument[] | undefined;
  #body: Buffer | undefined;
  #reading: Promise<Buffer | undefined> | undefined;

  constructor(exchange: Exchange, target: RequestTarget, bodyBytesMax: number) {
    this.#exchange = exchange;
    this.#bodyBytesMax = bodyBytesMax;
    this.method = exchange.method;
    this.scheme = exchange.scheme;
    this.rawTarget = exchange.target;
    this.headers = exchange.headers;
    this.path = target.path;
    this.#query = target.query;
    this.host = hostWithoutPort(target.authority ?? this.headers.getKnown('host') ?? '');
  }

  get query(): string {
    return this.#query;
  }

  set query(query: string) {
    this.#query = query;
    this.#queryChanged = true;
    this.#args = undefined;
  }

  /** Whether a plugin wrote the query anew. */
  get queryChanged(): boolean {
    return this.#queryChanged;
  }

  /** Whether the body is in memory, so that it can be sent again. */
  get bufferedBody(): Buffer | undefined {
    return this.#body;
  }

  getArguments(): readonly QueryArgument[] {
    return (this.#args ??= parseQuery(this.#query));
  }

  setArguments(args: readonly QueryArgument[]): void {
    this.query = formatQuery(args);
  }

  readBody(bytesMax: number = this.#bodyBytesMax): Promise<Buffer | undefined> {
    if (this.#body !== undefined) return Promise.resolve(this.#body);
    if (!this.#exchange.body.present) return Promise.resolve(undefined);
    return (this.#reading ??= this.#exchange.body.readAll(bytesMax).then((body) => {
      // setBody may have come in between
      this.#body ??= body;
      return this.#body;
    }));
  }

  setBody(body: Buffer): void {
    this.#body = body;
    this.headers.set('Content-Length', String(body.length));
    this.headers.delete('Transfer-Encoding');
  }
}
