/** Reasons a store refuses or fails, and whether trying again may help. */
export const STORE_ERRORS = {
  /** The item changed since it was read. */
  CONFLICT: { retryable: false },
  /** The store is out of reach or did not answer in time. A write may have happened nonetheless. */
  UNAVAILABLE: { retryable: true },
  /** User, password or certificate were refused, or the user may not do this. */
  UNAUTHENTICATED: { retryable: false },
  /** Another process has the embedded store's file open. */
  LOCKED: { retryable: false },
  /** Written to a store that is only read. */
  READ_ONLY: { retryable: false },
  /** The value is larger than the store takes. */
  TOO_LARGE: { retryable: false },
  /** The transaction has more operations or guards than the store takes. */
  TOO_MANY: { retryable: false },
  /** What was at this revision is no longer kept. */
  COMPACTED: { retryable: false },
  /** The store has not come to this revision yet. */
  FUTURE: { retryable: false },
} as const;

export type StoreErrorCode = keyof typeof STORE_ERRORS;

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}
