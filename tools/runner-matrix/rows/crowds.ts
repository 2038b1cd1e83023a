import { randomUUID } from 'node:crypto';
import { call } from '../outcome.ts';
import type { DemoConf } from '../rewrite-demo.ts';
import type { Row } from '../rows.ts';

const CONFS = Array.from({ length: 20 }, (_, i) => i);
const TIMES_EACH = 5;

/** Many requests at a time: none may get what belongs to another. */
export const ROWS_OF_CROWDS = {
  'answers 200 requests at a time, each with its own': {
    conf: [{ echo_header: 'X-Nonce' }],
    ask: async (url) => {
      const nonces = Array.from({ length: 200 }, () => randomUUID());
      const answers = await Promise.all(
        nonces.map((nonce) => call(url, { headers: { 'X-Nonce': nonce } })),
      );
      const right = answers.filter(({ seen }, i) => seen?.headers['x-echo'] === nonces[i]);
      return {
        answered: answers.filter(({ status }) => status === 200).length,
        right: right.length,
      };
    },
    outcome: { answered: 200, right: 200 },
  },
  // Java answers a PrepareConf twice: on a connection used for calls, too, that would be the next answer
  'serves 20 new confs at a time, each as it is written': {
    conf: [{}],
    moreRoutes: Object.fromEntries(
      CONFS.map((i): [string, readonly DemoConf[]] => [
        `conf-${i}`,
        [{ set_headers: { 'X-Conf': `${i}` } }],
      ]),
    ),
    ask: async (url) => {
      const asked = CONFS.flatMap((i) => Array.from({ length: TIMES_EACH }, () => i));
      const answers = await Promise.all(asked.map((i) => call(`${url}-conf-${i}`)));
      const right = answers.filter(({ seen }, i) => seen?.headers['x-conf'] === `${asked[i]}`);
      return { answered: answers.length, right: right.length };
    },
    outcome: { answered: CONFS.length * TIMES_EACH, right: CONFS.length * TIMES_EACH },
  },
} satisfies Readonly<Record<string, Row>>;
