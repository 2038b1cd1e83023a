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

/** Claims of a verified token, left by jwt-auth with `store_in_ctx`. */
export const JWT_PAYLOAD = contextKey<Readonly<Record<string, unknown>>>('jwt_auth_payload');

/** What an identity provider said of a user that is no consumer, left by plugins that asked one. */
export const EXTERNAL_USER = contextKey<unknown>('external_user');
