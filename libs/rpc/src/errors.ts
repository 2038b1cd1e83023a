import { status, type ServiceError } from '@grpc/grpc-js';

interface StatusFacts {
  readonly code: number;
  /** Whether the same call may succeed later without any change to it. */
  readonly retryable: boolean;
}

/** Every gRPC status; the names are those of the gRPC specification. */
export const RPC_STATUS = {
  OK: { code: status.OK, retryable: false },
  CANCELLED: { code: status.CANCELLED, retryable: false },
  UNKNOWN: { code: status.UNKNOWN, retryable: false },
  INVALID_ARGUMENT: { code: status.INVALID_ARGUMENT, retryable: false },
  DEADLINE_EXCEEDED: { code: status.DEADLINE_EXCEEDED, retryable: true },
  NOT_FOUND: { code: status.NOT_FOUND, retryable: false },
  ALREADY_EXISTS: { code: status.ALREADY_EXISTS, retryable: false },
  PERMISSION_DENIED: { code: status.PERMISSION_DENIED, retryable: false },
  RESOURCE_EXHAUSTED: { code: status.RESOURCE_EXHAUSTED, retryable: true },
  FAILED_PRECONDITION: { code: status.FAILED_PRECONDITION, retryable: false },
  ABORTED: { code: status.ABORTED, retryable: true },
  OUT_OF_RANGE: { code: status.OUT_OF_RANGE, retryable: false },
  UNIMPLEMENTED: { code: status.UNIMPLEMENTED, retryable: false },
  INTERNAL: { code: status.INTERNAL, retryable: false },
  UNAVAILABLE: { code: status.UNAVAILABLE, retryable: true },
  DATA_LOSS: { code: status.DATA_LOSS, retryable: false },
  UNAUTHENTICATED: { code: status.UNAUTHENTICATED, retryable: false },
} as const satisfies Record<string, StatusFacts>;

export type RpcStatus = keyof typeof RPC_STATUS;

const nameOfCode = new Map<number, RpcStatus>(
  Object.entries(RPC_STATUS).map(([name, { code }]) => [code, name as RpcStatus]),
);

/** A failed call between services. `cause` is what grpc-js reported. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly status: RpcStatus;

  constructor(rpcStatus: RpcStatus, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.status = rpcStatus;
  }

  /** The number gRPC sends. */
  get statusCode(): number {
    return RPC_STATUS[this.status].code;
  }

  get retryable(): boolean {
    return RPC_STATUS[this.status].retryable;
  }

  /** Takes over a failure of grpc-js; anything that carries no status becomes UNKNOWN. */
  static from(error: unknown): RpcError {
    if (error instanceof RpcError) return error;
    if (!(error instanceof Error)) return new RpcError('UNKNOWN', String(error), { cause: error });
    const { code, details } = error as Partial<ServiceError>;
    const rpcStatus = nameOfCode.get(code ?? status.UNKNOWN) ?? 'UNKNOWN';
    return new RpcError(rpcStatus, details ?? error.message, { cause: error });
  }
}
