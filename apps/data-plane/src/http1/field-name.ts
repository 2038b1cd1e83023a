import { COLON, latin1Text, TOKEN_LOWER } from './byte-class.ts';

/** What a field means to framing and to the connection. */
export const FieldKind = {
  plain: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  expect: 6,
  /** keep-alive, proxy-connection, te, trailer: for this connection only. */
  hopByHop: 7,
} as const;
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

/** A field name as it was spelled. */
export interface FieldName {
  readonly spelled: string;
  readonly lower: string;
  readonly kind: FieldKind;
}

/** A spelling that is expected, findable by its bytes. */
interface KnownName extends FieldName {
  readonly length: number;
  /** Where its bytes begin in `knownBytes`. */
  readonly offset: number;
  /** Its first, second and last four bytes; 0 where it is too short for them. */
  readonly first: number;
  readonly second: number;
  readonly last: number;
  /** The next one in the same slot, of each of the two tables. */
  readonly nextByHash: KnownName | undefined;
  readonly nextByWords: KnownName | undefined;
}

const KINDS = new Map<string, FieldKind>([
  ['host', FieldKind.host],
  ['content-length', FieldKind.contentLength],
  ['transfer-encoding', FieldKind.transferEncoding],
  ['connection', FieldKind.connection],
  ['upgrade', FieldKind.upgrade],
  ['expect', FieldKind.expect],
  ['keep-alive', FieldKind.hopByHop],
  ['proxy-connection', FieldKind.hopByHop],
  ['te', FieldKind.hopByHop],
  ['trailer', FieldKind.hopByHop],
]);

/** What clients and servers send every day, as they usually spell it; lower case is added. */
const COMMON = `
Host Connection Content-Length Transfer-Encoding Upgrade Expect Keep-Alive Proxy-Connection TE Trailer
Accept Accept-Charset Accept-Encoding Accept-Language Accept-Ranges
Access-Control-Allow-Credentials Access-Control-Allow-Headers Access-Control-Allow-Methods
Access-Control-Allow-Origin Access-Control-Expose-Headers Access-Control-Max-Age
Access-Control-Request-Headers Access-Control-Request-Method
Age Allow Alt-Svc Apikey Authorization Cache-Control CF-Connecting-IP CF-Ray Content-Disposition
Content-Encoding Content-Language Content-Location Content-MD5 Content-Range Content-Security-Policy
Content-Type Cookie Date DNT ETag Expires Forwarded From Grpc-Status Grpc-Timeout If-Match
If-Modified-Since If-None-Match If-Range If-Unmodified-Since Last-Event-ID Last-Modified Link Location
Max-Forwards Origin Permissions-Policy Postman-Token Pragma Priority Proxy-Authenticate
Proxy-Authorization Purpose Range Referer Referrer-Policy Retry-After Save-Data Sec-CH-UA
Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User
Sec-GPC Sec-WebSocket-Accept Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol
Sec-WebSocket-Version Server Server-Timing Set-Cookie SOAPAction Strict-Transport-Security
Timing-Allow-Origin Traceparent Tracestate True-Client-IP Upgrade-Insecure-Requests User-Agent Vary Via
Warning WWW-Authenticate X-Amz-Cf-Id X-Amzn-Trace-Id X-API-Key X-B3-Flags X-B3-ParentSpanId X-B3-Sampled
X-B3-SpanId X-B3-TraceId X-Cache X-Client-IP X-Consumer-Username X-Content-Type-Options
X-Correlation-ID X-CSRF-Token X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix
X-Forwarded-Proto X-Frame-Options X-HTTP-Method-Override X-Powered-By X-RateLimit-Limit
X-RateLimit-Remaining X-RateLimit-Reset X-Real-IP X-Real-Ip X-Request-ID X-Request-Id X-Requested-With
X-Robots-Tag X-Trace-Id X-UA-Compatible X-XSS-Protection
`;

/** The start of a name's hash; see `fieldNameAt`. */
export const HASH_SEED = 0;
/** Powers of two, about five slots a name. */
const SLOT_BITS = 11;
const SLOTS = 1 << SLOT_BITS;
const WORD = 4;
const spellings = commonSpellings();
const knownBytes = Buffer.from(spellings.join(''), 'latin1');
const knownWords = new DataView(knownBytes.buffer, knownBytes.byteOffset, knownBytes.length);
const byHash: (KnownName | undefined)[] = emptySlots();
/** Names of eight bytes and more by their first eight, others of four and more by their first four. */
const byTwoWords: (KnownName | undefined)[] = emptySlots();
const byOneWord: (KnownName | undefined)[] = emptySlots();
fillSlots();

/**
 * The known name that begins at `from`, followed by a colon, all before `end`; undefined: none. Reads
 * four bytes at a time and needs twelve of them.
 */
export function knownNameAt(words: DataView, from: number, end: number): KnownName | undefined {
  const first = words.getInt32(from, true);
  const second = words.getInt32(from + WORD, true);
  let known = byTwoWords[slotOfWords(first, second)];
  while (known !== undefined) {
    const isBegun = known.first === first && known.second === second;
    if (isBegun && endsAsKnown(words, from, end, known)) return known;
    known = known.nextByWords;
  }
  known = byOneWord[slotOfWords(first, 0)];
  while (known !== undefined) {
    if (known.first === first && endsAsKnown(words, from, end, known)) return known;
    known = known.nextByWords;
  }
  return undefined;
}

/** Whether the rest of the name and the colon are there, too. */
function endsAsKnown(words: DataView, from: number, end: number, known: KnownName): boolean {
  const { length, offset } = known;
  if (from + length >= end || words.getUint8(from + length) !== COLON) return false;
  const last = length - WORD;
  for (let i = 2 * WORD; i < last; i += WORD) {
    if (words.getInt32(from + i, true) !== knownWords.getInt32(offset + i, true)) return false;
  }
  return words.getInt32(from + last, true) === known.last;
}

/**
 * The name in buffer[from..to), which are token characters whose hash, over `TOKEN_LOWER` with
 * `hash = (Math.imul(hash, 31) + lower) | 0`, is `hash`. Known spellings cost no string: their bytes
 * are compared. The table never grows, so that no client can fill it.
 */
export function fieldNameAt(buffer: Buffer, from: number, to: number, hash: number): FieldName {
  const length = to - from;
  let known = byHash[slotOf(hash)];
  while (known !== undefined) {
    if (known.length === length && isSame(buffer, from, known.offset, length)) return known;
    known = known.nextByHash;
  }
  const spelled = latin1Text(buffer, from, to);
  const lower = spelled.toLowerCase();
  return { spelled, lower, kind: KINDS.get(lower) ?? FieldKind.plain };
}

function isSame(buffer: Buffer, from: number, offset: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (buffer[from + i] !== knownBytes[offset + i]) return false;
  }
  return true;
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> SLOT_BITS)) & (SLOTS - 1);
}

function slotOfWords(first: number, second: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b);
  return mixed >>> (32 - SLOT_BITS);
}

function emptySlots(): (KnownName | undefined)[] {
  return new Array<KnownName | undefined>(SLOTS).fill(undefined);
}

function commonSpellings(): string[] {
  const usual = COMMON.trim().split(/\s+/);
  return [...new Set([...usual, ...usual.map((name) => name.toLowerCase())])];
}

function fillSlots(): void {
  let offset = 0;
  for (const spelled of spellings) {
    const lower = spelled.toLowerCase();
    const { length } = spelled;
    const kind = KINDS.get(lower) ?? FieldKind.plain;
    const hashSlot = slotOf(hashOf(spelled));
    const isLong = length >= 2 * WORD;
    const first = length < WORD ? 0 : knownWords.getInt32(offset, true);
    const second = isLong ? knownWords.getInt32(offset + WORD, true) : 0;
    const last = length < WORD ? 0 : knownWords.getInt32(offset + length - WORD, true);
    const wordSlots = isLong ? byTwoWords : byOneWord;
    const wordSlot = slotOfWords(first, second);
    const nextByHash = byHash[hashSlot];
    const nextByWords = wordSlots[wordSlot];
    const bytes = { length, offset, first, second, last };
    const known = { spelled, lower, kind, ...bytes, nextByHash, nextByWords };
    byHash[hashSlot] = known;
    if (length >= WORD) wordSlots[wordSlot] = known;
    offset += length;
  }
}

function hashOf(name: string): number {
  let hash = HASH_SEED;
  for (let i = 0; i < name.length; i++) {
    hash = (Math.imul(hash, 31) + (TOKEN_LOWER[name.charCodeAt(i)] as number)) | 0;
  }
  return hash;
}
