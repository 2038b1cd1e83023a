import {
  decodeErrorResponse,
  decodeHttpReqCallResponse,
  FrameType,
} from '@polygate/runner-protocol';
import type { HttpReqCallAction, TextEntry } from '@polygate/runner-protocol';
import { describeSeen, type Answers, type Seen } from '../probe.ts';
import type { RunnerUnderTest } from '../runner-under-test.ts';

/** An ERROR frame, with this code if one is given. */
export function isError(seen: Seen, code?: number): boolean {
  if (seen.kind !== 'frame' || seen.type !== FrameType.ERROR) return false;
  return code === undefined || decodeErrorResponse(seen.payload).code === code;
}

/** What a gateway takes for an end of the call that lets nothing through. */
export function isRefusal(seen: Seen): boolean {
  return seen.kind === 'closed' || isError(seen);
}

/** @throws {Error} in words where it is no answer to call `id` */
export function actionOf(seen: Seen, id: number): HttpReqCallAction {
  if (seen.kind === 'frame' && seen.type === FrameType.HTTP_REQ_CALL) {
    const response = decodeHttpReqCallResponse(seen.payload);
    if (response.id === id) return response.action;
  }
  throw new Error(`call ${id} got ${describeSeen(seen)}`);
}

/** One call on a connection of its own. */
export async function callOnce(
  runner: RunnerUnderTest,
  confToken: number,
  answers?: Answers,
): Promise<Seen> {
  const probe = await runner.connect();
  try {
    return await probe.call({ id: 7, confToken, method: 'POST' }, runner.waitMs, answers);
  } finally {
    probe.close();
  }
}

/** The first value of a name, whatever its case. */
export function valueOf(entries: readonly TextEntry[], name: string): string | undefined {
  return entries.find((entry) => entry.name.toLowerCase() === name)?.value;
}

/** A request header that the check plugin has set; undefined where the action is no rewrite. */
export function rewrittenHeader(action: HttpReqCallAction, name: string): string | undefined {
  return action.kind === 'rewrite' ? valueOf(action.headers, name) : undefined;
}
