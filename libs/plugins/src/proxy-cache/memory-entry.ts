import type { HeaderList } from '@polygate/plugin-sdk';

/** One answer in memory. */
export interface MemoryEntry {
  readonly status: number;
  /** Alternating names and values. */
  readonly headers: readonly string[];
  /** Seconds. */
  readonly ttl: number;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly body: Buffer;
}

/** What varies at one key, and the variants there are. */
export interface VaryIndex {
  readonly vary: readonly string[];
  readonly variants: readonly string[];
}

/** The connection's, what is told anew each time, and what counts for one client only. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'apisix-cache-status',
  'date',
  'server',
]);

export function keptHeaders(headers: HeaderList): readonly string[] {
  const raw: string[] = [];
  headers.forEach((name, value, lower) => {
    if (!NOT_KEPT.has(lower) && !lower.includes('ratelimit-remaining')) raw.push(name, value);
  });
  return raw;
}

/** The head's length, the head as JSON, the body. */
export function encodeEntry({ body, ...head }: MemoryEntry): readonly Uint8Array[] {
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return [length, json, body];
}

/** Undefined for bytes that are none. */
export function decodeEntry(bytes: Buffer): MemoryEntry | undefined {
  if (bytes.length < 4) return undefined;
  const end = 4 + bytes.readUInt32LE();
  const head = parseJson(bytes.subarray(4, end)) as Omit<MemoryEntry, 'body'> | undefined;
  return head === undefined ? undefined : { ...head, body: bytes.subarray(end) };
}

export function decodeIndex(bytes: Buffer): VaryIndex | undefined {
  return parseJson(bytes) as VaryIndex | undefined;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
