/** The HTTP methods of the protocol; a method's number is its place. */
export const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'MKCOL',
  'COPY',
  'MOVE',
  'OPTIONS',
  'PROPFIND',
  'PROPPATCH',
  'LOCK',
  'UNLOCK',
  'PATCH',
  'TRACE',
] as const;

const numbers = new Map<string, number>(METHODS.map((method, number) => [method, number]));

/**
 * undefined for a method the protocol cannot carry (CONNECT, PURGE, …). APISIX sends those as GET.
 */
export function methodNumber(method: string): number | undefined {
  return numbers.get(method);
}
