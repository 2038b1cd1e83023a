/** nginx's words for what Node tells by code. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EPIPE: 'broken pipe',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  EMSGSIZE: 'message too long',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate host mismatch',
};
const LOOKUP_CODES: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL']);

/** Why nothing reached the other side. */
export function failureText(error: Error, host: string): string {
  const code = failureCode(error);
  if (code === undefined) return error.message;
  if (LOOKUP_CODES.has(code)) return `${host} could not be resolved`;
  return WORDS[code] ?? error.message;
}

/** Of several addresses tried, the first one's. */
export function failureCode(error: Error): string | undefined {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  return (first as NodeJS.ErrnoException | undefined)?.code;
}

/** Whether no connection came about. */
export function isConnectFailure(error: Error): boolean {
  const code = failureCode(error) ?? '';
  const connectCodes = ['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'];
  return connectCodes.includes(code) || LOOKUP_CODES.has(code);
}

/** Whether the connection came about, and TLS over it did not. */
export function isTlsFailure(error: Error): boolean {
  const code = failureCode(error) ?? '';
  return /^(ERR_(TLS|SSL)_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|EPROTO)/.test(code);
}
