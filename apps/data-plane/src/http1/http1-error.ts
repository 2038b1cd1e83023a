/**
 * The peer broke HTTP/1, or asked for what we do not do. `status` is what a client is answered (400,
 * 405, 413, 414, 417, 431, 501, 505); an upstream's fault is 502 whatever it says. The connection
 * cannot be used any further.
 */
export class Http1Error extends Error {
  override readonly name = 'Http1Error';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
