/** A list as APISIX's encoder writes it: Lua has one empty table, and that is an object. */
export function jsonList<T extends object>(list: readonly T[]): readonly T[] | object {
  return list.length === 0 ? {} : list;
}
