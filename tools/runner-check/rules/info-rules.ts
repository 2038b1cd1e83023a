import { createHash } from 'node:crypto';
import {
  decodeHttpRespCallResponse,
  encodeHttpRespCallRequest,
  ErrorCode,
  FRAME_PAYLOAD_BYTES_MAX,
  FrameType,
} from '@polygate/runner-protocol';
import { describeSeen, type Answers, type Seen } from '../probe.ts';
import { verdict, type Rule, type Verdict } from '../rule.ts';
import type { RunnerUnderTest } from '../runner-under-test.ts';
import {
  actionOf,
  callOnce,
  isError,
  isRefusal,
  rewrittenHeader,
  valueOf,
} from './expectations.ts';

const MIB = 1_048_576;
/** What fits the largest frame beside the tables around it. */
const LARGEST_BODY = FRAME_PAYLOAD_BYTES_MAX - 64;
/** A frame of this size cannot be: the length has 24 bits. */
const TOO_LARGE = 17 * MIB;

/** The variable that the check plugin asks for. */
const VARIABLE = 'check_variable';

const bodyRule = (id: string, size: string, bytes: number): Rule => ({
  id: `body.${id}`,
  level: 'must',
  sentence: `a request body of ${size} reaches the plugin whole`,
  needs: ['plugin'],
  check: (runner) => bodyArrives(runner, bytes),
});

const answerRule = (id: string, size: string, bytes: number): Rule => ({
  id: `answer.${id}`,
  level: 'must',
  sentence: `an answer with a body of ${size} is written whole`,
  needs: ['plugin'],
  check: async (runner) => {
    const seen = await callOnce(runner, await runner.token({ do: 'answer', bytes }));
    const action = actionOf(seen, 7);
    const written = action.kind === 'stop' ? action.body.length : 0;
    return verdict(written === bytes, `${written} bytes`);
  },
});

export const INFO_RULES: readonly Rule[] = [
  {
    id: 'info.variable',
    level: 'must',
    sentence: 'a plugin gets the value of a variable it asks for',
    needs: ['plugin'],
    check: (runner) => variableArrives(runner, 'value-of-it', 'value-of-it'),
  },
  {
    id: 'info.absent',
    level: 'must',
    sentence: 'a variable that there is not is empty for the plugin, and no error',
    needs: ['plugin'],
    check: (runner) => variableArrives(runner, undefined, 'absent'),
  },
  bodyRule('1-byte', '1 byte', 1),
  bodyRule('100-kb', '100 KiB', 102_400),
  bodyRule('1-mb', '1 MiB', MIB),
  bodyRule('15-mb', '15 MiB', 15 * MIB),
  { ...bodyRule('largest', 'a whole frame (16 MiB less 65 bytes)', LARGEST_BODY), level: 'should' },
  answerRule('1-mb', '1 MiB', MIB),
  answerRule('15-mb', '15 MiB', 15 * MIB),
  {
    id: 'answer.too-large',
    level: 'must',
    sentence:
      'an answer that fits no frame becomes ERROR, or ends the connection; not half a frame',
    needs: ['plugin'],
    check: async (runner) => {
      const seen = await callOnce(runner, await runner.token({ do: 'answer', bytes: TOO_LARGE }));
      const words =
        seen.kind === 'frame' && !isError(seen)
          ? `a frame of type ${seen.type} that says ${seen.payload.length} bytes`
          : describeSeen(seen);
      return verdict(isRefusal(seen), words);
    },
  },
  {
    id: 'response.call',
    level: 'must',
    sentence: 'HTTPRespCall is answered in kind: a plugin sets status and a header',
    needs: ['plugin'],
    check: async (runner) => {
      const { status, headers } = responseOf(await respond(runner, { do: 'response' }));
      const said = `${status}, X-Check: ${valueOf(headers, 'x-check')}`;
      return verdict(said === '201, X-Check: seen', said);
    },
  },
  {
    id: 'response.body',
    level: 'must',
    sentence: 'a plugin reads the body of a response and puts another in its place',
    needs: ['plugin'],
    check: async (runner) => {
      const { body } = responseOf(await respond(runner, { do: 'response' }));
      const text = Buffer.from(body).toString('utf8');
      return verdict(text === 'upstream!', `"${text}"`);
    },
  },
  {
    id: 'response.unknown-token',
    level: 'must',
    sentence: 'HTTPRespCall with a token the runner has not gets ERROR "conf token not found"',
    needs: [],
    check: async (runner) => {
      const seen = await respondWith(runner, 4_294_967_294);
      return verdict(isError(seen, ErrorCode.CONF_TOKEN_NOT_FOUND), describeSeen(seen));
    },
  },
];

async function variableArrives(
  runner: RunnerUnderTest,
  value: string | undefined,
  expected: string,
): Promise<Verdict> {
  const answers: Answers = (question) =>
    question.kind === 'variable' && question.name === VARIABLE && value !== undefined
      ? Buffer.from(value)
      : undefined;
  const seen = await callOnce(runner, await runner.token({ do: 'variable' }), answers);
  const header = rewrittenHeader(actionOf(seen, 7), 'x-check');
  return verdict(header === expected, `the plugin saw ${header ?? 'nothing'}`);
}

async function bodyArrives(runner: RunnerUnderTest, bytes: number): Promise<Verdict> {
  // Not of one letter, and with all bytes there are: text conversions shall show.
  const body = Buffer.alloc(bytes, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
  const answers: Answers = (question) => (question.kind === 'requestBody' ? body : undefined);
  const seen = await callOnce(runner, await runner.token({ do: 'body' }), answers);
  const action = actionOf(seen, 7);
  const length = rewrittenHeader(action, 'x-check-bytes');
  const isSame =
    rewrittenHeader(action, 'x-check-sha256') === createHash('sha256').update(body).digest('hex');
  const said = `${length ?? 'no'} of ${bytes} bytes${isSame ? '' : ', not the same'}`;
  return verdict(length === String(bytes) && isSame, said);
}

async function respond(runner: RunnerUnderTest, conf: object): Promise<Seen> {
  return respondWith(runner, await runner.token(conf));
}

async function respondWith(runner: RunnerUnderTest, confToken: number): Promise<Seen> {
  const probe = await runner.connect();
  const headers = [{ name: 'content-type', value: 'text/plain' }];
  const request = { id: 9, status: 200, headers, confToken };
  probe.send(FrameType.HTTP_RESP_CALL, encodeHttpRespCallRequest(request));
  const seen = await probe.reply(runner.waitMs, ({ kind }) =>
    kind === 'responseBody' ? Buffer.from('upstream') : undefined,
  );
  probe.close();
  return seen;
}

/** @throws {Error} in words where it is none */
function responseOf(seen: Seen) {
  if (seen.kind === 'frame' && seen.type === FrameType.HTTP_RESP_CALL) {
    return decodeHttpRespCallResponse(seen.payload);
  }
  throw new Error(`HTTPRespCall got ${describeSeen(seen)}`);
}
