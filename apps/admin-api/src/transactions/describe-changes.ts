import type { Written } from '../answer.ts';
import { findResource } from '../resources/resources.ts';
import { withoutHidden } from '../resources/without-hidden.ts';
import { readResourcePath } from '../routes/resource-path.ts';
import type { PlannedChange } from './planned-store.ts';

/** What happens to each object, for who did it. */
export function describeChanges(changes: readonly PlannedChange[]): object[] {
  return changes.map((change) => ({
    key: change.key,
    action: actionOf(change),
    previous_revision: change.before?.modifiedIndex ?? null,
  }));
}

/** The same with values, as a GET would show them; null where there is none. */
export function describeDiff(changes: readonly PlannedChange[]): object[] {
  return changes.map((change) => {
    const { key, before, after } = change;
    return {
      key,
      action: actionOf(change),
      previous_revision: before?.modifiedIndex ?? null,
      before: before === undefined ? null : shown(key, before.value),
      after: after === undefined ? null : shown(key, after),
    };
  });
}

export function toWritten(changes: readonly PlannedChange[], revision: number): Written[] {
  return changes.map(({ key, before }) => ({
    key,
    revision,
    previousRevision: before?.modifiedIndex ?? 0,
  }));
}

function actionOf({ before, after }: PlannedChange): 'create' | 'update' | 'delete' {
  if (after === undefined) return 'delete';
  return before === undefined ? 'create' : 'update';
}

function shown(key: string, value: unknown): unknown {
  const resource = findResource(readResourcePath(key.split('/').slice(1)).kind);
  if (resource === undefined) return value;
  return withoutHidden(resource, { key, value, createdIndex: 0, modifiedIndex: 0 }).value;
}
