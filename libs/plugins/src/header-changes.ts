/** The old form of `headers`: each is set. */
export type HeadersToSet = Readonly<Record<string, string | number>>;

/** Whether `headers` is in the new form, with `add`, `set` and `remove`. */
export function isHeaderChanges<Changes extends object>(
  headers: Changes | HeadersToSet,
): headers is Changes {
  const { add, set, remove } = headers as Readonly<Record<string, unknown>>;
  return [add, set, remove].some((change) => typeof change === 'object' && change !== null);
}
