import type { Socket } from 'node:net';
import {
  decodePrepareConfResponse,
  encodeExtraInfoResponse,
  encodeFrame,
  encodePrepareConfRequest,
  FRAME_HEADER_BYTES,
  FrameDecoder,
  FrameType,
  type Frame,
} from '@polygate/runner-protocol';
import { describeAnswer, describeQuestion, describeRequest } from './describe-frame.ts';
import type { RecordedCall } from './recording.ts';
import { openSocket } from './runner-under-replay.ts';

export interface ReplayedCall {
  /** As `GET /path`. */
  readonly request: string;
  /** What was recorded, and what happened now, a line each; the same lines: the same behaviour. */
  readonly recorded: readonly string[];
  readonly replayed: readonly string[];
}

/** What a conversation was: the runner's questions in order, then its answer or its end. */
interface Conversation {
  readonly questions: readonly string[];
  readonly end: readonly string[];
}

/** Field numbers of `conf_token` in the tables of the protocol. */
const TOKEN_FIELDS: ReadonlyMap<number, number> = new Map([
  [FrameType.HTTP_REQ_CALL, 6],
  [FrameType.HTTP_RESP_CALL, 3],
]);

/**
 * Sends the frames of a recorded call to a runner: the same bytes but for the conf's token, which the
 * runner gives anew. Its questions get the recorded answers.
 *
 * @throws {Error} when the runner cannot be reached or the recording is none of a call.
 */
export async function replayCall(
  call: RecordedCall,
  socketPath: string,
  timeoutMs: number,
): Promise<ReplayedCall> {
  const [first, ...later] = call.frames;
  if (first?.isSent !== true) throw new Error('the recording does not begin with a request');
  const requestFrame = splitFrame(first.bytes);
  const recorded = recordedConversation(call);
  const answers = recordedAnswers(later);
  const request = describeRequest(requestFrame);
  const prepared = await prepare(call, socketPath, timeoutMs);
  if (Array.isArray(prepared)) {
    return {
      request,
      recorded: lines(recorded),
      replayed: lines({ questions: [], end: prepared }),
    };
  }
  const bytes = withToken(first.bytes, prepared);
  const replayed = await converse(await openSocket(socketPath), { bytes, answers, timeoutMs });
  return { request, recorded: lines(recorded), replayed: lines(replayed) };
}

function lines({ questions, end }: Conversation): string[] {
  return [...questions.map((question) => `asks for ${question}`), ...end];
}

/** The new token; or why there is none. */
async function prepare(
  { conf }: RecordedCall,
  socketPath: string,
  timeoutMs: number,
): Promise<number | string[]> {
  const payload = encodePrepareConfRequest({ conf: conf.plugins, key: conf.key });
  const bytes = encodeFrame(FrameType.PREPARE_CONF, payload);
  let token: number | undefined;
  const { end } = await converse(await openSocket(socketPath), {
    bytes,
    answers: new Map(),
    timeoutMs,
    onAnswer: ({ type, payload: answer }) => {
      if (type === FrameType.PREPARE_CONF) token = decodePrepareConfResponse(answer).confToken;
    },
  });
  return token ?? ['the runner did not take the conf', ...end];
}

interface Talk {
  readonly bytes: Buffer;
  /** Answers to each question, in the order they were given. */
  readonly answers: ReadonlyMap<string, Buffer[]>;
  readonly timeoutMs: number;
  readonly onAnswer?: (frame: Frame) => void;
}

/** Resolves when the runner has answered, hung up, or said nothing more for `timeoutMs`. */
function converse(socket: Socket, talk: Talk): Promise<Conversation> {
  const decoder = new FrameDecoder();
  const questions: string[] = [];
  return new Promise((resolve) => {
    const end = (...why: string[]): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ questions, end: why });
    };
    const timer = setTimeout(() => end('no answer: timeout'), talk.timeoutMs);
    const take = (frame: Frame): boolean => {
      if (frame.type === FrameType.EXTRA_INFO) {
        const question = describeQuestion(frame.payload);
        const answer = talk.answers.get(question)?.shift();
        questions.push(answer === undefined ? `${question}, which was not recorded` : question);
        socket.write(answer ?? nothing());
        return false;
      }
      talk.onAnswer?.(frame);
      end(...describeAnswer(frame));
      return true;
    };
    socket.on('data', (chunk) => {
      try {
        for (const frame of decoder.push(chunk as Buffer)) if (take(frame)) return;
      } catch (error) {
        end(`no answer: ${(error as Error).message}`);
      }
    });
    socket.on('error', (error) => end(`no answer: ${error.message}`));
    socket.on('close', () => end('no answer: the runner hung up'));
    socket.write(talk.bytes);
  });
}

function nothing(): Buffer {
  return encodeFrame(FrameType.EXTRA_INFO, encodeExtraInfoResponse({ result: undefined }));
}

function recordedConversation({ frames, failure }: RecordedCall): Conversation {
  const questions: string[] = [];
  let end: string[] | undefined;
  for (const { isSent, bytes } of frames) {
    if (isSent) continue;
    const frame = splitFrame(bytes);
    if (frame.type === FrameType.EXTRA_INFO) questions.push(describeQuestion(frame.payload));
    else end = describeAnswer(frame);
  }
  return { questions, end: end ?? [recordedEnd(failure)] };
}

/** In the words that a replay has for the same. */
function recordedEnd(failure: string): string {
  if (failure.endsWith('timeout')) return 'no answer: timeout';
  if (/closed|reset|broken pipe/.test(failure)) return 'no answer: the runner hung up';
  return `no answer: ${failure}`;
}

/** The runner reads the first answer as that to its first question, and so on. */
function recordedAnswers(frames: RecordedCall['frames']): Map<string, Buffer[]> {
  const asked: string[] = [];
  const answers = new Map<string, Buffer[]>();
  for (const { isSent, bytes } of frames) {
    const { type, payload } = splitFrame(bytes);
    if (type !== FrameType.EXTRA_INFO) continue;
    if (!isSent) {
      asked.push(describeQuestion(payload));
      continue;
    }
    const question = asked.shift() ?? '';
    answers.set(question, [...(answers.get(question) ?? []), bytes]);
  }
  return answers;
}

function splitFrame(bytes: Buffer): Frame {
  const [frame] = new FrameDecoder().push(bytes);
  if (frame === undefined) throw new Error('a frame of the recording is cut off');
  return frame;
}

/** The same bytes with another token: its field lies at a fixed place, found by the table's head. */
export function withToken(frame: Buffer, token: number): Buffer {
  const field = TOKEN_FIELDS.get(frame.readUInt8(0));
  if (field === undefined) throw new Error('the recording does not begin with a call');
  const copy = Buffer.from(frame);
  const payload = copy.subarray(FRAME_HEADER_BYTES);
  const table = payload.readUInt32LE(0);
  const head = table - payload.readInt32LE(table);
  const place = 4 + 2 * field;
  const offset = place < payload.readUInt16LE(head) ? payload.readUInt16LE(head + place) : 0;
  if (offset === 0) throw new Error('the recorded call has no token');
  payload.writeUInt32LE(token, table + offset);
  return copy;
}
