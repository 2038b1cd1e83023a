import { decodePrepareConfResponse, ErrorCode, FrameType } from '@polygate/runner-protocol';
import { describeSeen, type Seen } from '../probe.ts';
import { verdict, type Rule } from '../rule.ts';
import { CHECK_PLUGIN, type RunnerUnderTest } from '../runner-under-test.ts';
import { actionOf, callOnce, isError } from './expectations.ts';

/** Long enough for a second answer that was written with the first. */
const QUIET_MS = 200;
/** More than the Java runner keeps. */
const CONFS = 1_100;

const checkConf = (conf: object) => ({ name: CHECK_PLUGIN, value: JSON.stringify(conf) });

export const PREPARE_RULES: readonly Rule[] = [
  {
    id: 'prepare.answer',
    level: 'must',
    sentence: 'PrepareConf is answered with a frame of its type that holds a token',
    needs: ['plugin'],
    check: async (runner) => {
      const seen = await prepared(runner, [checkConf({ do: 'continue' })], runner.newKey());
      return verdict(isToken(seen), describeSeen(seen));
    },
  },
  {
    id: 'prepare.once',
    level: 'must',
    sentence: 'PrepareConf is answered once: what comes after is taken for the next answer',
    needs: ['plugin'],
    check: async (runner) => {
      const probe = await runner.connect();
      await probe.prepare([checkConf({ do: 'continue' })], runner.newKey(), runner.waitMs);
      const second = await probe.next(QUIET_MS);
      probe.close();
      return verdict(second.kind === 'silence', `after the answer: ${describeSeen(second)}`);
    },
  },
  {
    id: 'prepare.same-key',
    level: 'should',
    sentence: 'the same conf under the same key gets the same token',
    needs: ['plugin'],
    check: async (runner) => {
      const key = runner.newKey();
      const conf = [checkConf({ do: 'continue' })];
      const first = await prepared(runner, conf, key);
      const second = await prepared(runner, conf, key);
      const isSame = isToken(first) && describeSeen(first) === describeSeen(second);
      return verdict(isSame, `${describeSeen(first)}, then ${describeSeen(second)}`);
    },
  },
  {
    id: 'prepare.empty',
    level: 'should',
    sentence: 'a request goes on under a conf without plugins: a route may have one',
    needs: [],
    check: async (runner) => {
      const seen = await callOnce(runner, await runner.tokenOf([]));
      return verdict(actionOf(seen, 7).kind === 'continue', describeSeen(seen));
    },
  },
  {
    id: 'prepare.unknown-plugin',
    level: 'should',
    sentence: 'a conf with a plugin the runner has not is refused: ERROR "bad request"',
    needs: [],
    check: async (runner) => {
      const conf = [{ name: 'polygate-no-such-plugin', value: '{}' }];
      const seen = await prepared(runner, conf, runner.newKey());
      return verdict(isError(seen, ErrorCode.BAD_REQUEST), describeSeen(seen));
    },
  },
  {
    id: 'prepare.bad-conf',
    level: 'should',
    sentence: 'a conf that the plugin cannot read is refused: ERROR "bad request"',
    needs: ['plugin'],
    check: async (runner) => {
      const seen = await prepared(runner, [{ name: CHECK_PLUGIN, value: '{' }], runner.newKey());
      return verdict(isError(seen, ErrorCode.BAD_REQUEST), describeSeen(seen));
    },
  },
  {
    id: 'prepare.many',
    level: 'must',
    sentence: `${CONFS} confs are kept, as a gateway may have that many routes`,
    needs: ['plugin'],
    check: async (runner) => {
      const first = await runner.token({ do: 'stop' });
      for (let i = 1; i < CONFS; i++) await runner.token({ do: 'continue', i });
      const probe = await runner.connect();
      const seen = await probe.call({ confToken: first }, runner.waitMs);
      probe.close();
      return verdict(seen.kind === 'frame' && !isError(seen), `the first: ${describeSeen(seen)}`);
    },
  },
];

async function prepared(
  runner: RunnerUnderTest,
  conf: readonly { name: string; value: string }[],
  key: string,
): Promise<Seen> {
  const probe = await runner.connect();
  const seen = await probe.prepare(conf, key, runner.waitMs);
  probe.close();
  return seen;
}

function isToken(seen: Seen): boolean {
  if (seen.kind !== 'frame' || seen.type !== FrameType.PREPARE_CONF) return false;
  return Number.isInteger(decodePrepareConfResponse(seen.payload).confToken);
}
