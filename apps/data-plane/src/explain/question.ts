/** A request that nobody sent: what would become of it? Sizes were checked by the control side. */
export interface ExplainQuestion {
  readonly method: string;
  /** As in a request line: `/a?b=c`. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Of the connection: headers of trusted proxies are looked at as for any request. */
  readonly clientAddress: string;
  readonly scheme: 'http' | 'https';
  /** Username of the consumer that is taken for authenticated. */
  readonly consumer: string | undefined;
  /** Undefined: the request has none. */
  readonly body: Uint8Array | undefined;
}
