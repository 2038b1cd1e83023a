import { FrameType } from '@polygate/runner-protocol';
import { describeSeen } from '../probe.ts';
import { verdict, type Rule, type Verdict } from '../rule.ts';
import type { RunnerUnderTest } from '../runner-under-test.ts';
import { isRefusal } from './expectations.ts';

const UNKNOWN_TYPE = 9;
/** A frame that is begun and not finished holds nobody else up for longer. */
const OTHERS_MS = 2_000;

export const MALFORMED_RULES: readonly Rule[] = [
  {
    id: 'malformed.type',
    level: 'must',
    sentence: 'a frame of unknown type gets ERROR or a closed connection',
    needs: [],
    check: (runner) => refused(runner, frame(UNKNOWN_TYPE, Buffer.alloc(8))),
  },
  {
    id: 'malformed.payload',
    level: 'must',
    sentence: 'bytes that are no message get ERROR or a closed connection, not "go on"',
    needs: [],
    check: (runner) => refused(runner, frame(FrameType.HTTP_REQ_CALL, Buffer.alloc(64, 0xff))),
  },
  {
    id: 'malformed.empty',
    level: 'must',
    sentence: 'a frame without payload gets ERROR or a closed connection',
    needs: [],
    check: (runner) => refused(runner, frame(FrameType.HTTP_REQ_CALL, Buffer.alloc(0))),
  },
  {
    id: 'malformed.promise',
    level: 'must',
    sentence: 'a frame that promises 16 MiB and never comes holds up no other connection',
    needs: [],
    check: async (runner) => {
      const probe = await runner.connect();
      probe.write(Buffer.from([FrameType.HTTP_REQ_CALL, 0xff, 0xff, 0xff, 1, 2, 3]));
      const seen = await answersOthers(runner);
      probe.close();
      return seen;
    },
  },
  {
    id: 'malformed.cut',
    level: 'must',
    sentence: 'a connection that ends within a frame harms no other',
    needs: [],
    check: async (runner) => {
      for (let bytes = 1; bytes <= 6; bytes++) {
        const probe = await runner.connect();
        probe.write(Buffer.from([FrameType.PREPARE_CONF, 0, 0, 99, 1, 2]).subarray(0, bytes));
        probe.socket.end();
        await probe.next(OTHERS_MS / 10);
        probe.close();
      }
      return answersOthers(runner);
    },
  },
];

/** The runner must also still be there for others. */
async function refused(runner: RunnerUnderTest, bytes: Buffer): Promise<Verdict> {
  const probe = await runner.connect();
  probe.write(bytes);
  const seen = await probe.reply(runner.waitMs);
  probe.close();
  const after = await answersOthers(runner);
  if (!after.isKept) return verdict(false, `${describeSeen(seen)}; then ${after.seen}`);
  return verdict(isRefusal(seen), describeSeen(seen));
}

/** Any answer to a call will do. */
async function answersOthers(runner: RunnerUnderTest): Promise<Verdict> {
  try {
    const probe = await runner.connect();
    const seen = await probe.call({ id: 5, confToken: 4_294_967_294 }, OTHERS_MS);
    probe.close();
    return verdict(seen.kind === 'frame', `another connection: ${describeSeen(seen)}`);
  } catch (error) {
    return verdict(false, `another connection: ${(error as Error).message}`);
  }
}

/** Unlike `encodeFrame` of any type. */
function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.from([type, 0, 0, payload.length]);
  return Buffer.concat([header, payload]);
}
