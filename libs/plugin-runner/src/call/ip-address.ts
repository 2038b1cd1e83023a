/** Text of an address of 4 or 16 bytes, IPv6 in full groups shortened once; else empty. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return Array.from(bytes).join('.');
  if (bytes.length !== 16) return '';
  const buffer = Buffer.from(bytes);
  const groups = Array.from({ length: 8 }, (_, i) => buffer.readUInt16BE(i * 2).toString(16));
  // The URL parser shortens as RFC 5952 says.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
