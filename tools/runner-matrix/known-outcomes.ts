import type { Cell } from './matrix-runner.ts';
import type { Outcome } from './outcome.ts';

/** What several runners do in the place of what a row says. */
export const LET_THROUGH: Outcome = { status: 200, isFromUpstream: true };

/** Of a row about bodies. */
export const REFUSED: Outcome = { status: 503, byRunner: false, byUpstream: false };
/** Never a part of it taken for the whole. */
export const READ_OR_REFUSED: readonly Outcome[] = [
  REFUSED,
  { status: 200, byRunner: true, byUpstream: true },
];

export const NO_BODY_CHANGE: Cell = {
  because: 'its SDK has no call for it',
  outcomes: [{ status: 200, bodyBytes: 6 }],
};

export const NO_RESPONSE_HEADERS: Cell = {
  because: 'its SDK has no call for it',
  outcomes: [{ status: 200, header: null, isFromUpstream: true }],
};
