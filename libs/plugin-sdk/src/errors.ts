/** Whose fault it is. */
export type ErrorSource = 'client' | 'upstream' | 'runner' | 'gateway';

export interface GatewayErrorInfo {
  readonly status: number;
  readonly source: ErrorSource;
  /** Whether another node may be tried. */
  readonly retryable: boolean;
}

/** Every accident that can end a request. The client sees the status, the log sees code and cause. */
export const GATEWAY_ERRORS = {
  REQUEST_BODY_TOO_LARGE: { status: 413, source: 'client', retryable: false },
  REQUEST_BODY_TIMEOUT: { status: 408, source: 'client', retryable: false },
  REQUEST_MALFORMED: { status: 400, source: 'client', retryable: false },
  REQUEST_ABORTED: { status: 499, source: 'client', retryable: false },
  UPSTREAM_MISSING: { status: 502, source: 'gateway', retryable: false },
  UPSTREAM_NO_NODE: { status: 503, source: 'gateway', retryable: false },
  UPSTREAM_UNRESOLVED: { status: 503, source: 'upstream', retryable: true },
  UPSTREAM_CONNECT_FAILED: { status: 502, source: 'upstream', retryable: true },
  UPSTREAM_CONNECT_TIMEOUT: { status: 504, source: 'upstream', retryable: true },
  UPSTREAM_READ_TIMEOUT: { status: 504, source: 'upstream', retryable: true },
  UPSTREAM_SEND_TIMEOUT: { status: 504, source: 'upstream', retryable: true },
  UPSTREAM_PROTOCOL: { status: 502, source: 'upstream', retryable: true },
  RESPONSE_MALFORMED: { status: 502, source: 'upstream', retryable: false },
  RESPONSE_BODY_TOO_LARGE: { status: 502, source: 'upstream', retryable: false },
  RUNNER_UNAVAILABLE: { status: 503, source: 'runner', retryable: false },
  RUNNER_FAILED: { status: 503, source: 'runner', retryable: false },
  RUNNER_OVERLOADED: { status: 503, source: 'runner', retryable: false },
  /** Not asked: it failed too often lately. */
  RUNNER_CIRCUIT_OPEN: { status: 503, source: 'runner', retryable: false },
  RUNNER_TIMEOUT: { status: 503, source: 'runner', retryable: false },
  PLUGIN_FAILED: { status: 500, source: 'gateway', retryable: false },
} as const satisfies Readonly<Record<string, GatewayErrorInfo>>;

export type GatewayErrorCode = keyof typeof GATEWAY_ERRORS;

export class GatewayError extends Error {
  readonly code: GatewayErrorCode;

  constructor(code: GatewayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GatewayError';
    this.code = code;
  }

  get info(): GatewayErrorInfo {
    return GATEWAY_ERRORS[this.code];
  }
}
