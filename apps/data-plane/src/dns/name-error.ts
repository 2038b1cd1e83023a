/** A name has no address, or nobody could be asked. */
export class NameError extends Error {
  readonly code = 'ENOTFOUND';
  readonly hostname: string;

  constructor(hostname: string, reason: string, options?: ErrorOptions) {
    super(`failed to resolve ${hostname}: ${reason}`, options);
    this.name = 'NameError';
    this.hostname = hostname;
  }
}
