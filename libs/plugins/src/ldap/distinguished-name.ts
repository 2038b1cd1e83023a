/**
 * A value as it stands in a distinguished name: what has a meaning there is escaped (RFC 4514, 2.4), so
 * that a user name stays one value and does not name another entry.
 */
export function escapeDnValue(value: string): string {
  return value
    .replaceAll(/[\\",+<>;=]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/(?<=.) $/s, '\\ ')
    .replace(/^[ #]/, '\\$&');
}
