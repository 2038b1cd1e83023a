import { brotliDecompressSync, gunzipSync } from 'node:zlib';

export type Decoder = (body: Buffer, bytesMax: number) => Buffer;

const DECODERS = new Map<string, Decoder>([
  ['gzip', (body, bytesMax) => gunzipSync(body, { maxOutputLength: bytesMax })],
  ['br', (body, bytesMax) => brotliDecompressSync(body, { maxOutputLength: bytesMax })],
]);

/**
 * What undoes a Content-Encoding, undefined for one that is not known. A decoder throws for a
 * damaged body, and for one that grows beyond `bytesMax`. Source: apisix/utils/content-decode.lua.
 */
export function decoderOf(encoding: string): Decoder | undefined {
  return DECODERS.get(encoding);
}
