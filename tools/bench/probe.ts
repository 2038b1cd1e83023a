import { setTimeout as sleep } from 'node:timers/promises';

/** What the upstream answers: 1 KiB. */
export const ANSWER = '0123456789abcdef'.repeat(64);
/** With the value 1 it makes the upstream say in `SAW_HEADER` what reached it. */
export const PROBE_HEADER = 'X-Bench-Probe';
export const SAW_HEADER = 'X-Upstream-Saw';

const ATTEMPT_MS_MAX = 3000;
const WAIT_MS_MAX = 60_000;
const POLL_MS = 50;

export interface Expectation {
  readonly url: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** Path, X-Forwarded-For and X-Runner at the upstream, with `|` between. */
  readonly saw: string;
  readonly answerHeaders: readonly string[];
}

/**
 * Asks until the answer is the whole one, so that nothing is measured that does less than it
 * should. Rejects after a minute with what was wrong last.
 */
export async function untilServed(expected: Expectation, signal: AbortSignal): Promise<void> {
  const limitMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const problem = await problemOf(expected, signal).catch((error: Error) => {
      signal.throwIfAborted();
      return error.cause instanceof Error ? error.cause.message : error.message;
    });
    if (problem === undefined) return;
    if (performance.now() > limitMs) throw new Error(`${expected.url}: ${problem}`);
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function problemOf(
  { url, requestHeaders, saw, answerHeaders }: Expectation,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { status, headers, body } = await ask(url, requestHeaders, signal);
  if (status !== 200) return `status ${status}: ${body.slice(0, 200)}`;
  if (body !== ANSWER) return `a body of ${body.length} bytes that is not the upstream's`;
  if (headers.get(SAW_HEADER) !== saw) return `the upstream saw ${headers.get(SAW_HEADER)}`;
  const missing = answerHeaders.filter((name) => !headers.has(name));
  return missing.length === 0 ? undefined : `no ${missing.join(', ')} in the answer`;
}

async function ask(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<{ status: number; headers: Headers; body: string }> {
  const response = await fetch(url, {
    // a connection that stays open would count as idle work of the gateway
    headers: { ...headers, [PROBE_HEADER]: '1', Connection: 'close' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS_MAX)]),
  });
  return { status: response.status, headers: response.headers, body: await response.text() };
}
