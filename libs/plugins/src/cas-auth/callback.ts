const ORIGIN = /^https?:\/\/[^/]+/;

/** Whether `cas_callback_uri` has scheme and host of its own. */
export function isAbsoluteCallback(callbackUri: string): boolean {
  return /^https?:\/\//.test(callbackUri);
}

/** The path that requests come back to. */
export function callbackPath(callbackUri: string): string {
  if (!isAbsoluteCallback(callbackUri)) return callbackUri;
  return callbackUri.replace(ORIGIN, '').replace(/[?#].*$/s, '') || '/';
}

/** A path of this host, and nothing that a browser takes for another one. */
export function isSafeRedirect(uri: string): boolean {
  return uri.startsWith('/') && !uri.startsWith('//') && !/[\\\r\n]/.test(uri);
}
