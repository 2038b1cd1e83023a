import type { Answer, Written } from '../answer.ts';
import { refusal } from '../answer.ts';
import type { ControlService } from '../control/control-service.ts';
import type { DataPlane } from '../control/data-plane-registry.ts';
import { type AppliedOutcome, waitUntilApplied } from '../control/wait-until-applied.ts';
import { readArguments } from '../listing.ts';
import { type AdminContext, type Next, respond } from './admin-state.ts';

export const REVISION_HEADER = 'X-Polygate-Revision';
/** How many data planes serve the write. */
export const APPLIED_HEADER = 'X-Polygate-Applied';

const TIMEOUT_MS = 5000;
const TIMEOUT_MS_MAX = 60_000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/**
 * Tells the store's revision after each write, in a header since the body is APISIX's. With
 * `?wait=applied[&timeout=5s]` the answer comes when every connected data plane serves it; 504 names
 * those that do not in time, 409 those that rejected what was written. It is written in either case.
 *
 * @param control undefined: there is nobody who could tell (standalone mode)
 */
export function awaitApplied(control: ControlService | undefined) {
  return async (ctx: AdminContext, next: Next): Promise<void> => {
    const args = readArguments(ctx.query);
    const asked = ctx.method === 'GET' ? undefined : args['wait'];
    const timeoutMs = asked === undefined ? 0 : readTimeoutMs(args['timeout']);
    const refused = refuseWait(asked, timeoutMs, control);
    if (refused !== undefined) {
      respond(ctx, refused);
      return;
    }
    await next();
    const { written = [] } = ctx.state;
    if (written.length === 0) return;
    const revision = Math.max(...new Set(written.map((change) => change.revision)));
    ctx.set(REVISION_HEADER, String(revision));
    if (asked === undefined || control === undefined) return;

    const gone = new AbortController();
    const abort = () => gone.abort();
    ctx.res.on('close', abort);
    const wait = { revision, timeoutMs: timeoutMs ?? TIMEOUT_MS, signal: gone.signal };
    const outcome = await waitUntilApplied(control, wait);
    ctx.res.off('close', abort);
    ctx.set(APPLIED_HEADER, String(outcome.applied.length));
    const problem = problemOf(outcome, { revision, timeoutMs: wait.timeoutMs, written });
    if (problem !== undefined) respond(ctx, problem);
  };
}

/** Milliseconds of `5s`, `500ms`, `1m` or `5` (seconds); undefined for anything else. */
function readTimeoutMs(text: string | undefined): number | undefined {
  if (text === undefined) return TIMEOUT_MS;
  const [, digits = '', unit = 's'] = /^(\d{1,6})(ms|s|m)?$/.exec(text) ?? [];
  const ms = digits === '' ? 0 : Number(digits) * (UNIT_MS[unit] ?? 0);
  return ms > 0 && ms <= TIMEOUT_MS_MAX ? ms : undefined;
}

function refuseWait(
  asked: string | undefined,
  timeoutMs: number | undefined,
  control: ControlService | undefined,
): Answer | undefined {
  if (asked === undefined) return undefined;
  if (asked !== 'applied') return refusal(400, 'invalid argument wait: should be applied');
  if (timeoutMs === undefined) {
    const most = `at most ${TIMEOUT_MS_MAX / 1000}s`;
    return refusal(400, `invalid argument timeout: should be a time as 5s or 500ms, ${most}`);
  }
  if (control !== undefined) return undefined;
  return refusal(400, 'invalid argument wait: not in standalone mode, where nothing is waited for');
}

interface Waited {
  readonly revision: number;
  readonly timeoutMs: number;
  readonly written: readonly Written[];
}

function problemOf(
  { applied, lagging }: AppliedOutcome,
  { revision, timeoutMs, written }: Waited,
): Answer | undefined {
  const keys = new Set(written.map(({ key }) => key));
  const rejected = applied.flatMap((dataPlane) =>
    dataPlane.rejected
      .filter((item) => keys.has(item.key) && item.revision === revision)
      .map((item) => ({ ...nameOf(dataPlane), ...item })),
  );
  if (rejected.length > 0) {
    const error_msg = `written at revision ${revision}, but rejected by data planes`;
    return { status: 409, body: { error_msg, revision, rejected } };
  }
  if (lagging.length === 0 && applied.length > 0) return undefined;
  const who = applied.length + lagging.length === 0 ? 'no data plane is connected' : 'not by all';
  const error_msg = `written at revision ${revision}, not applied within ${timeoutMs} ms: ${who}`;
  const list = lagging.map((dataPlane) => ({
    ...nameOf(dataPlane),
    applied_revision: dataPlane.applied_revision,
  }));
  return { status: 504, body: { error_msg, revision, applied: applied.length, lagging: list } };
}

function nameOf({ instance_id, hostname }: DataPlane) {
  return { instance_id, hostname };
}
