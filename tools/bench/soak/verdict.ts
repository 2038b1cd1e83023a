import type { Holdings } from './gateway-under-soak.ts';
import type { LogVerdict } from './ledger.ts';

/** Beyond what was there before: a log file, a connection to the store that was made anew. */
export const FILES_SPARE = 4;
/** Timers of caches and pools that run only while there is something in them. */
const RESOURCES_SPARE = 8;
/** V8 keeps compiled code and what the last collection could not know to be garbage. */
const HEAP_SHARE_MAX = 1.1;
const HEAP_SPARE_BYTES = 4 * 2 ** 20;
/** The allocator gives memory back late. */
const RSS_SHARE_MAX = 1.15;
const RSS_SPARE_BYTES = 24 * 2 ** 20;

const NAMED_MAX = 5;

/** `fresh`: before any load; `before` and `after`: quiet, after the warm-up and at the end. */
export function problemsOf(held: {
  readonly fresh: Holdings;
  readonly before: Holdings;
  readonly after: Holdings;
}): string[] {
  const { fresh, before, after } = held;
  const problems: string[] = [];
  if (after.files > fresh.files + FILES_SPARE) {
    problems.push(`${after.files} files are open, ${fresh.files} were before the load`);
  }
  if (after.resources > fresh.resources + RESOURCES_SPARE) {
    problems.push(
      `the event loops wait for ${after.resources} things, ${fresh.resources} before the load`,
    );
  }
  if (after.heapBytes > before.heapBytes * HEAP_SHARE_MAX + HEAP_SPARE_BYTES) {
    problems.push(`the heap grew from ${before.heapBytes} to ${after.heapBytes} bytes`);
  }
  if (after.rssBytes > before.rssBytes * RSS_SHARE_MAX + RSS_SPARE_BYTES) {
    problems.push(`resident memory grew from ${before.rssBytes} to ${after.rssBytes} bytes`);
  }
  return problems;
}

export function logProblems({ answered, lost, repeated, strange }: LogVerdict): string[] {
  const problems: string[] = [];
  const name = (ids: readonly string[]): string => ids.slice(0, NAMED_MAX).join(', ');
  if (answered === 0) problems.push('no request was answered');
  if (lost.length > 0) problems.push(`${lost.length} answered but not logged: ${name(lost)}`);
  if (repeated.length > 0) {
    problems.push(`${repeated.length} logged more than once: ${name(repeated)}`);
  }
  if (strange.length > 0) problems.push(`${strange.length} logged, never sent: ${name(strange)}`);
  return problems;
}
