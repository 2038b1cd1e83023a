import { buildGoRunner, hasGo, hasGoRunnerCheckout } from '@polygate/testing';
import { describeRunner } from './describe-runner.ts';
import type { Cell } from './matrix-runner.ts';
import { LET_THROUGH, NO_BODY_CHANGE, READ_OR_REFUSED, REFUSED } from './known-outcomes.ts';

const READS_ONCE =
  'release 0.5.0 reads a frame with one read(2), which cuts what does not fit the socket buffer';

/** Fixed in the repository since, and not released. */
const CUT_BODIES: Readonly<Record<string, Cell>> = {
  'reads a body of 100 KB': { because: READS_ONCE, outcomes: READ_OR_REFUSED },
  'reads a body of 1 MB': { because: READS_ONCE, outcomes: [REFUSED] },
  'reads a body of 15 MB': { because: READS_ONCE, outcomes: [REFUSED] },
};

describeRunner({
  name: 'Go',
  isHere: hasGo,
  prepare: buildGoRunner,
  cells: {
    'replaces the body of a request': NO_BODY_CHANGE,
    ...(hasGoRunnerCheckout() ? {} : CUT_BODIES),
    'lets no request pass an unknown plugin': {
      because:
        'it passes over a plugin that it does not have, unless the runner declares its plugins',
      outcomes: [LET_THROUGH],
    },
    'lets no request pass a bad conf': {
      because: 'it passes over a plugin whose conf it cannot read, and says so only in its log',
      outcomes: [LET_THROUGH],
    },
  },
});
