/** Where a store reports what its caller is not told by an error. */
export interface StoreLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
