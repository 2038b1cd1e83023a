/** A typed place for a value that one plugin leaves in the context for a later phase or plugin. */
export interface ContextKey<T> {
  readonly name: string;
  /** Never set: carries the type. */
  readonly valueType?: T;
}

/** Keys compare by identity: make one per module, not per request. */
export function contextKey<T>(name: string): ContextKey<T> {
  return { name };
}
