import { encodeFrame, ErrorCode, FrameType } from '@polygate/runner-protocol';
import { describeSeen, requestCall } from '../probe.ts';
import { verdict, type Rule, type Verdict } from '../rule.ts';
import { CHECK_PLUGIN, type RunnerUnderTest } from '../runner-under-test.ts';
import {
  actionOf,
  callOnce,
  isError,
  isRefusal,
  rewrittenHeader,
  valueOf,
} from './expectations.ts';

const KEPT_OPEN_CALLS = 100;
/** No runner gives it: all count from 1 or begin at a random place. */
const NEVER_GIVEN = 4_294_967_294;

export const CALL_RULES: readonly Rule[] = [
  {
    id: 'call.id',
    level: 'must',
    sentence: 'an answer carries the id of its call',
    needs: ['plugin'],
    check: async (runner) => {
      const probe = await runner.connect();
      const confToken = await runner.token({ do: 'stop' });
      for (const id of [1, 77, 4_194_305, 2_147_483_647]) {
        actionOf(await probe.call({ id, confToken }, runner.waitMs), id);
      }
      probe.close();
      return verdict(true, 'ids 1, 77, 2^22+1 and 2^31-1 came back');
    },
  },
  {
    id: 'call.stop',
    level: 'must',
    sentence: 'a plugin ends a request with status, header and body',
    needs: ['plugin'],
    check: async (runner) => {
      const seen = await callOnce(runner, await runner.token({ do: 'stop' }));
      const action = actionOf(seen, 7);
      if (action.kind !== 'stop') return verdict(false, action.kind);
      const { status, headers, body } = action;
      const said = `${status}, X-Check: ${valueOf(headers, 'x-check')}, "${textOf(body)}"`;
      return verdict(said === '403, X-Check: stopped, "stopped"', said);
    },
  },
  {
    id: 'call.rewrite',
    level: 'must',
    sentence: 'a plugin changes path, a header and an argument of a request that goes on',
    needs: ['plugin'],
    check: async (runner) => {
      const seen = await callOnce(runner, await runner.token({ do: 'rewrite' }));
      const action = actionOf(seen, 7);
      if (action.kind !== 'rewrite') return verdict(false, action.kind);
      const { path, args } = action;
      const header = rewrittenHeader(action, 'x-check');
      const said = `${path}, X-Check: ${header}, check=${valueOf(args, 'check')}`;
      return verdict(said === '/checked, X-Check: rewritten, check=1', said);
    },
  },
  {
    id: 'call.order',
    level: 'should',
    sentence: 'a plugin may stand in a conf twice, and both run in order',
    needs: ['plugin'],
    check: async (runner) => {
      // Either order: a runner that keeps one of the two gets one of them wrong.
      const first = await kindUnder(runner, ['stop', 'continue']);
      const second = await kindUnder(runner, ['continue', 'stop']);
      const said = `stop, continue: ${first}; continue, stop: ${second}`;
      return verdict(first === 'stop' && second === 'stop', said);
    },
  },
  {
    id: 'call.unknown-token',
    level: 'must',
    sentence: 'a token the runner has not gets ERROR "conf token not found", for APISIX to retry',
    needs: [],
    check: async (runner) => {
      const seen = await callOnce(runner, NEVER_GIVEN);
      return verdict(isError(seen, ErrorCode.CONF_TOKEN_NOT_FOUND), describeSeen(seen));
    },
  },
  {
    id: 'call.unknown-plugin',
    level: 'must',
    sentence: 'no request goes on under a conf with a plugin the runner has not',
    needs: [],
    check: (runner) => refusedUnder(runner, 'polygate-no-such-plugin', '{}'),
  },
  {
    id: 'call.bad-conf',
    level: 'must',
    sentence: 'no request goes on under a conf the plugin cannot read',
    needs: ['plugin'],
    check: (runner) => refusedUnder(runner, CHECK_PLUGIN, '{'),
  },
  {
    id: 'call.throw',
    level: 'must',
    sentence: 'a plugin that throws ends its call with ERROR, or the connection; never as "go on"',
    needs: ['plugin'],
    check: async (runner) => {
      const seen = await callOnce(runner, await runner.token({ do: 'throw' }));
      return verdict(isRefusal(seen), describeSeen(seen));
    },
  },
  {
    id: 'call.throw-error',
    level: 'should',
    sentence: 'a plugin that throws is reported at once: ERROR "service unavailable"',
    needs: ['plugin'],
    check: async (runner) => {
      const seen = await callOnce(runner, await runner.token({ do: 'throw' }));
      return verdict(isError(seen, ErrorCode.SERVICE_UNAVAILABLE), describeSeen(seen));
    },
  },
  {
    id: 'call.keep-open',
    level: 'must',
    sentence: `a connection serves ${KEPT_OPEN_CALLS} calls, one after the other`,
    needs: ['plugin'],
    check: async (runner) => {
      const confToken = await runner.token({ do: 'rewrite' });
      const probe = await runner.connect();
      for (let id = 1; id <= KEPT_OPEN_CALLS; id++) {
        actionOf(await probe.call({ id, confToken }, runner.waitMs), id);
      }
      probe.close();
      return verdict(true, `${KEPT_OPEN_CALLS} answers`);
    },
  },
  {
    id: 'call.after-error',
    level: 'should',
    sentence: 'a connection goes on after ERROR, or is closed; it does not fall silent',
    needs: ['plugin'],
    check: async (runner) => {
      const confToken = await runner.token({ do: 'stop' });
      const probe = await runner.connect();
      await probe.call({ id: 1, confToken: NEVER_GIVEN }, runner.waitMs);
      const seen = await probe.call({ id: 2, confToken }, runner.waitMs);
      probe.close();
      return verdict(seen.kind === 'frame' || seen.kind === 'closed', describeSeen(seen));
    },
  },
  {
    id: 'call.pieces',
    level: 'must',
    sentence: 'a frame may arrive in pieces of any size',
    needs: ['plugin'],
    check: async (runner) => {
      const confToken = await runner.token({ do: 'stop' });
      const probe = await runner.connect();
      const headers = [{ name: 'x-long', value: 'x'.repeat(300) }];
      const payload = requestCall({ id: 3, confToken, headers });
      for (const byte of encodeFrame(FrameType.HTTP_REQ_CALL, payload)) {
        probe.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      const seen = await probe.reply(runner.waitMs);
      probe.close();
      return verdict(actionOf(seen, 3).kind === 'stop', describeSeen(seen));
    },
  },
  {
    id: 'call.pipelined',
    level: 'should',
    sentence: 'two calls sent at once are answered in order',
    needs: ['plugin'],
    check: async (runner) => {
      const confToken = await runner.token({ do: 'stop' });
      const probe = await runner.connect();
      const frames = [1, 2].map((id) =>
        encodeFrame(FrameType.HTTP_REQ_CALL, requestCall({ id, confToken })),
      );
      probe.write(Buffer.concat(frames));
      for (const id of [1, 2]) actionOf(await probe.reply(runner.waitMs), id);
      probe.close();
      return verdict(true, 'both, in order');
    },
  },
];

async function kindUnder(runner: RunnerUnderTest, told: readonly string[]): Promise<string> {
  const conf = told.map((what) => ({ name: CHECK_PLUGIN, value: JSON.stringify({ do: what }) }));
  return actionOf(await callOnce(runner, await runner.tokenOf(conf)), 7).kind;
}

async function refusedUnder(
  runner: RunnerUnderTest,
  name: string,
  value: string,
): Promise<Verdict> {
  let confToken: number;
  try {
    confToken = await runner.tokenOf([{ name, value }]);
  } catch (error) {
    return verdict(true, (error as Error).message);
  }
  const seen = await callOnce(runner, confToken);
  return verdict(isRefusal(seen), `a token, and the call got ${describeSeen(seen)}`);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
