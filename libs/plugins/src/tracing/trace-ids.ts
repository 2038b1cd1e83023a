import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 4096;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

const ALL_ZERO = /^0+$/;

/** 32 hexadecimal digits. */
export const newTraceId = (): string => randomHex(16);

/** 16 hexadecimal digits. */
export const newSpanId = (): string => randomHex(8);

/** Not all zero: such an id means none. Many are drawn from the system at once. */
function randomHex(bytes: number): string {
  for (;;) {
    if (used + bytes > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const hex = pool.toString('hex', used, used + bytes);
    used += bytes;
    if (!ALL_ZERO.test(hex)) return hex;
  }
}

/** What `traceparent` tells of the caller's span. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

/** Undefined where it is missing, or not what https://www.w3.org/TR/trace-context/ says. */
export function parseTraceParent(header: string | undefined): TraceParent | undefined {
  if (header === undefined) return undefined;
  const match = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/.exec(header);
  if (match === null) return undefined;
  const [, version = '', traceId = '', spanId = '', flags = '', rest] = match;
  // versions after 00 may add fields; ff is forbidden
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (ALL_ZERO.test(traceId) || ALL_ZERO.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function traceParent({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** Whether a text can be a trace id: 32 lower-case hexadecimal digits, not all zero. */
export function isTraceId(text: string): boolean {
  return /^[\da-f]{32}$/.test(text) && !ALL_ZERO.test(text);
}
