import { call } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import type { Row } from '../rows.ts';

async function ask(url: string): Promise<Outcome> {
  const { status, seen } = await call(url);
  return { status, isFromUpstream: seen !== undefined };
}

const REFUSED: Outcome = { status: 503, isFromUpstream: false };

/** How long a slow plugin may take, and how long it takes. */
const SLOW = { timeoutMs: 400, sleepMs: 1500 };

/** What goes wrong in a runner. Afterwards it has to serve again, which is asked of every such row. */
export const ROWS_OF_FAILURES = {
  'lets no request pass an unknown plugin': {
    conf: [{ name: 'no-such-plugin', value: '{}' }],
    ask,
    outcome: REFUSED,
    isAlone: true,
  },
  'lets no request pass a bad conf': {
    conf: [{ name: 'rewrite-demo', value: '{"path":' }],
    ask,
    outcome: REFUSED,
    isAlone: true,
    isWrittenLate: true,
  },
  // JavaScript's ends by a conf that it cannot read, which it gets ahead of all calls
  'serves other routes while the conf of one is bad': {
    conf: [{}],
    moreRoutes: { bad: [{ name: 'rewrite-demo', value: '{"path":' }] },
    ask: async (url, gateway) => {
      await gateway.until(new URL(url).pathname, ({ status }) => status === 200);
      return ask(url);
    },
    outcome: { status: 200, isFromUpstream: true },
    isAlone: true,
    isWrittenLate: true,
  },
  'lets no request pass a plugin that throws': {
    conf: [{ raise: 'no database' }],
    ask,
    outcome: REFUSED,
    isAlone: true,
  },
  'lets a request pass a plugin that throws where the route may degrade': {
    conf: [{ raise: 'no database' }],
    options: { allow_degradation: true },
    ask,
    outcome: { status: 200, isFromUpstream: true },
    isAlone: true,
  },
  'fails a response with a plugin that throws': {
    plugin: 'ext-plugin-post-resp',
    conf: [{ raise: 'no database' }],
    ask,
    outcome: REFUSED,
    isAlone: true,
  },
  'is not waited for longer than the route says': {
    conf: [{ sleep_ms: SLOW.sleepMs }],
    options: { failure_policy: { timeout_ms: SLOW.timeoutMs } },
    ask: async (url) => {
      const startMs = performance.now();
      const outcome = await ask(url);
      return { ...outcome, isInTime: performance.now() - startMs < SLOW.sleepMs };
    },
    outcome: { ...REFUSED, isInTime: true },
    isAlone: true,
  },
  'killed in the middle of a call fails that call': {
    conf: [{ kill: true }],
    ask,
    outcome: REFUSED,
    isAlone: true,
    isWaitedFor: true,
  },
} satisfies Readonly<Record<string, Row>>;
