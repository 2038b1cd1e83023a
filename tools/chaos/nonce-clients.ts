import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from '../runner-matrix/outcome.ts';
import type { Answer } from '../runner-matrix/outcome.ts';

/** What became of requests. */
export interface Tally {
  /** The upstream saw this request, and the plugin had seen it before. */
  right: number;
  /** 503, in time. */
  refused: number;
  /** No answer: the connection was refused or broke. */
  broken: number;
  /** Another request's answer, or one that no plugin had seen. */
  wrong: string[];
  /** Answered later than a call may take, or not at all. */
  late: string[];
  /** Not right, though nothing was broken at the time but a runner. */
  needless: string[];
}

/** Times at which the gateway as a whole has to serve. */
export interface Calm {
  /** Undefined while a service is gone; otherwise another number each time that all are back. */
  epoch(): number | undefined;
}

/** What it says of itself goes no further than a screen. */
const NAMED_MAX = 20;
const PAUSE_MS = 5;
/** Above this a body does not travel with the call but is asked for. */
const BODY_BYTES = [0, 100, 20_000];

export function newTally(): Tally {
  return { right: 0, refused: 0, broken: 0, wrong: [], late: [], needless: [] };
}

/** Asks one request after another until told to stop. Never rejects. */
export async function askAgainAndAgain(options: {
  readonly url: string;
  readonly tally: Tally;
  readonly calm: Calm;
  /** From the first byte sent to the last one received. */
  readonly answerMsMax: number;
  readonly signal: AbortSignal;
}): Promise<void> {
  while (!options.signal.aborted) {
    await askOnce(options);
    await sleep(PAUSE_MS);
  }
}

async function askOnce(options: Parameters<typeof askAgainAndAgain>[0]): Promise<void> {
  const { url, tally, calm, answerMsMax } = options;
  const nonce = randomUUID();
  const body = randomBytes(BODY_BYTES[Math.floor(Math.random() * BODY_BYTES.length)] as number);
  const epoch = calm.epoch();
  const startMs = performance.now();
  const answer = await call(`${url}/${nonce}`, {
    // PUT may be sent again, as GET
    method: 'PUT',
    body: new Uint8Array(body),
    headers: { 'X-Nonce': nonce },
    signal: AbortSignal.timeout(2 * answerMsMax),
  }).catch((error: Error) => error);
  const tookMs = Math.round(performance.now() - startMs);
  const what = `${describe(answer)} after ${tookMs} ms`;
  const wasCalm = epoch !== undefined && calm.epoch() === epoch;
  if (tookMs > answerMsMax) note(tally.late, what);
  if (answer instanceof Error) tally.broken += 1;
  else if (answer.status === 503) tally.refused += 1;
  else if (isRight(answer, nonce, body)) tally.right += 1;
  else note(tally.wrong, what);
  const isRefusal = answer instanceof Error || answer.status !== 200;
  if (wasCalm && isRefusal) note(tally.needless, what);
}

function isRight({ status, seen }: Answer, nonce: string, body: Buffer): boolean {
  const sha256 = createHash('sha256').update(body).digest('hex');
  return (
    status === 200 &&
    seen?.uri === `/${nonce}` &&
    seen.headers['x-echo'] === nonce &&
    seen.headers['x-body-sha256'] === sha256 &&
    seen.bodySha256 === sha256
  );
}

function describe(answer: Answer | Error): string {
  if (!(answer instanceof Error)) return `${answer.status} ${answer.body.toString().slice(0, 200)}`;
  const cause = answer.cause instanceof Error ? `: ${answer.cause.message}` : '';
  return `${answer.message}${cause}`;
}

function note(list: string[], what: string): void {
  if (list.length < NAMED_MAX) list.push(what);
}
