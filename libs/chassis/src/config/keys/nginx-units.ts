const MILLISECONDS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
]);

const BYTES = new Map([
  ['', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
]);

/**
 * Milliseconds of an nginx time, as `60s`, `1h 30m` or `500ms`; a bare number counts seconds.
 * Undefined when it is none.
 */
export function parseNginxTime(value: unknown): number | undefined {
  if (typeof value === 'number') return value >= 0 ? Math.round(value * 1000) : undefined;
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  let totalMs = 0;
  for (const part of value.trim().split(/(?<=[a-z])\s*(?=\d)/)) {
    const match = /^(\d+)(ms|s|m|h|d|w)?$/.exec(part);
    if (!match) return undefined;
    totalMs += Number(match[1]) * (MILLISECONDS.get(match[2] ?? 's') ?? 1000);
  }
  return Number.isSafeInteger(totalMs) ? totalMs : undefined;
}

/** Bytes of an nginx size, as `16384`, `8m` or `1G`. Undefined when it is none. */
export function parseNginxSize(value: unknown): number | undefined {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = typeof value === 'string' ? /^(\d+)([kmg]?)$/i.exec(value.trim()) : null;
  if (!match) return undefined;
  const bytes = Number(match[1]) * (BYTES.get((match[2] ?? '').toLowerCase()) ?? 1);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
