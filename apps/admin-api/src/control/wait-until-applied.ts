import type { ControlService } from './control-service.ts';
import type { DataPlane } from './data-plane-registry.ts';

export interface AppliedWait {
  /** Of the store. */
  readonly revision: number;
  readonly timeoutMs: number;
  /** Ends the wait early. */
  readonly signal: AbortSignal;
}

export interface AppliedOutcome {
  /** Connected data planes that serve the revision or a later one. */
  readonly applied: readonly DataPlane[];
  /** Connected ones that do not. */
  readonly lagging: readonly DataPlane[];
}

/**
 * Waits until all data planes that are connected serve a revision, and there is one at least: who
 * asks wants to know that it is served, not that nobody contradicts. Those that connect or leave
 * meanwhile are counted as they are when it ends.
 */
export function waitUntilApplied(
  control: Pick<ControlService, 'list' | 'onChange'>,
  { revision, timeoutMs, signal }: AppliedWait,
): Promise<AppliedOutcome> {
  const look = (): AppliedOutcome => {
    const all = control.list();
    const isApplied = ({ applied_revision: at }: DataPlane) => at !== null && at >= revision;
    return { applied: all.filter(isApplied), lagging: all.filter((one) => !isApplied(one)) };
  };
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      stopListening();
      signal.removeEventListener('abort', finish);
      resolve(look());
    };
    const check = () => {
      const { applied, lagging } = look();
      if (applied.length > 0 && lagging.length === 0) finish();
    };
    const timer = setTimeout(finish, timeoutMs);
    const stopListening = control.onChange(check);
    signal.addEventListener('abort', finish);
    if (signal.aborted) finish();
    else check();
  });
}
