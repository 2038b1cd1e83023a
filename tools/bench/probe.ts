import { request as requestHttp } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry } from './scenarios.ts';

/** What the upstream answers is this again and again. */
export const PATTERN = '0123456789abcdef';
/** Of an ordinary answer. */
export const ANSWER_BYTES = 1024;
/** With the value 1 it makes the upstream say in `SAW_HEADER` what reached it. */
export const PROBE_HEADER = 'X-Bench-Probe';
export const SAW_HEADER = 'X-Upstream-Saw';

const ATTEMPT_MS_MAX = 3000;
const WAIT_MS_MAX = 60_000;
const POLL_MS = 50;

export interface Expectation {
  readonly entry: Entry;
  readonly url: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly requestBodyBytes: number;
  /** Path, X-Forwarded-For and X-Runner at the upstream, with `|` between. */
  readonly saw: string;
  readonly answerBytes: number;
  readonly answerHeaders: readonly string[];
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/**
 * Asks until the answer is the whole one, so that nothing is measured that does less than it
 * should. Rejects after a minute, or `waitMs`, with what was wrong last.
 */
export async function untilServed(
  expected: Expectation,
  signal: AbortSignal,
  waitMs = WAIT_MS_MAX,
): Promise<void> {
  const limitMs = performance.now() + waitMs;
  for (;;) {
    const problem = await problemOf(expected, signal).catch((error: Error) => {
      signal.throwIfAborted();
      return error.message;
    });
    if (problem === undefined) return;
    if (performance.now() > limitMs) throw new Error(`${expected.url}: ${problem}`);
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function problemOf(expected: Expectation, signal: AbortSignal): Promise<string | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS_MAX)]);
  const ask = expected.entry === 'h2c' ? askHttp2 : askHttp1;
  const { status, headers, body } = await ask(expected, limit);
  if (status !== 200) return `status ${status}: ${body.slice(0, 200)}`;
  if (body !== PATTERN.repeat(expected.answerBytes / PATTERN.length)) {
    return `a body of ${body.length} bytes that is not the upstream's`;
  }
  const saw = String(headers[SAW_HEADER.toLowerCase()]);
  if (saw !== expected.saw) return `the upstream saw ${saw}`;
  const missing = expected.answerHeaders.filter((name) => !(name.toLowerCase() in headers));
  return missing.length === 0 ? undefined : `no ${missing.join(', ')} in the answer`;
}

function askHttp1(expected: Expectation, signal: AbortSignal): Promise<Answer> {
  const { entry, url, requestHeaders, requestBodyBytes } = expected;
  return new Promise((resolve, reject) => {
    const request = (entry === 'tls' ? requestHttps : requestHttp)(url, {
      method: requestBodyBytes > 0 ? 'POST' : 'GET',
      // a connection that stays open would count as idle work of the gateway
      headers: { ...requestHeaders, [PROBE_HEADER]: '1', Connection: 'close' },
      agent: false,
      // the certificate is the benchmark's own
      rejectUnauthorized: false,
      signal,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    request.end('x'.repeat(requestBodyBytes));
  });
}

function askHttp2({ url, requestHeaders }: Expectation, signal: AbortSignal): Promise<Answer> {
  const { origin, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    const session = connectHttp2(origin);
    const fail = (error: Error): void => {
      session.destroy();
      reject(error);
    };
    session.on('error', fail);
    const stream = session.request(
      { ...requestHeaders, ':path': pathname, [PROBE_HEADER]: '1' },
      { signal },
    );
    let status = 0;
    let headers: Answer['headers'] = {};
    let body = '';
    stream.setEncoding('latin1');
    stream.on('error', fail);
    stream.on('response', (head) => {
      status = head[':status'] ?? 0;
      headers = head;
    });
    stream.on('data', (chunk: string) => (body += chunk));
    stream.on('end', () => {
      session.close();
      resolve({ status, headers, body });
    });
  });
}
