import type { RejectedItem } from './config-state.ts';
import type { CompileFailure } from './snapshot-builder.ts';

/** What is valid, but no worker could make something of. */
export function rejectedByWorkers(
  failures: readonly CompileFailure[],
  revision: number,
): readonly RejectedItem[] {
  return failures.map(({ kind, id, reason, keepsOlderVersion }) => ({
    key: `/${kind}/${id}`,
    revision,
    reason,
    keepsOlderVersion,
  }));
}
