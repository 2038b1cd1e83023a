import type { BodyObserver, ClientRequest, HeaderList, QueryArgument } from '@polygate/plugin-sdk';
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
  /** What routes are matched with. */
  readonly matchPath: string;
  upstreamPath: string | undefined = undefined;
  upstreamHost: string | undefined = undefined;
  readonly headers: HeaderList;
  /** Somebody asked for a variable of the body, which has not come yet. */
  isBodyWanted = false;
  /** Of the next try to send the body. */
  bodyObservers: BodyObserver[] | undefined = undefined;
  #isBodyGivenUp = false;
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
    // RFC 9112 section 3.2.2: nodes must not see another host than routes and plugins did.
    if (target.authority !== undefined) this.headers.setKnown('Host', 'host', target.authority);
    this.path = target.path;
    this.matchPath = target.matchPath;
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

  get hasBody(): boolean {
    return this.#body !== undefined || this.#exchange.body.present;
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

  /** What is there of the body without waiting: all of it, or nothing. Notes that it is wanted. */
  wantBody(): Buffer | undefined {
    const { body } = this.#exchange;
    const known = this.#body ?? body.complete;
    if (known !== undefined || !body.present || this.#isBodyGivenUp) return known;
    this.isBodyWanted = true;
    return undefined;
  }

  /**
   * Reads the body that was wanted. One that says it is too large is left on its way, as if it had
   * nothing in it; one that turns out to be rejects with REQUEST_BODY_TOO_LARGE.
   */
  async readWantedBody(): Promise<void> {
    this.isBodyWanted = false;
    this.#isBodyGivenUp = (this.#exchange.body.length ?? 0) > this.#bodyBytesMax;
    if (!this.#isBodyGivenUp) await this.readBody();
  }

  observeBody(observer: BodyObserver): void {
    (this.bodyObservers ??= []).push(observer);
  }

  setBody(body: Buffer): void {
    this.#body = body;
    this.headers.set('Content-Length', String(body.length));
    this.headers.delete('Transfer-Encoding');
  }
}
