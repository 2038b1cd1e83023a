import { isJsonObject, type JsonObject } from '../json-object.ts';

/**
 * Merges `changes` into `origin`, in place: objects key by key, `null` deletes, everything else is
 * replaced. An empty object replaces too, because Lua cannot tell it from an empty list and
 * `{"plugins":{}}` is how clients clear a map. Source: merge in apisix/core/table.lua.
 */
export function mergeInto(origin: JsonObject, changes: JsonObject): void {
  for (const [key, change] of Object.entries(changes)) {
    const old = origin[key];
    if (change === null) delete origin[key];
    else if (isMergeable(old) && isMergeable(change)) mergeInto(old, change);
    else origin[key] = change;
  }
}

function isMergeable(value: unknown): value is JsonObject {
  return isJsonObject(value) && Object.keys(value).length > 0;
}

/**
 * Sets what `path` (below the object, without a leading slash) names to `part`, making the objects
 * on the way; `null` deletes it. Changes `origin` in place; gives the text of a refusal when the
 * path leads through something that is no object. Source: patch in apisix/core/table.lua, where a
 * list on the way would turn into a mixed table and a null be stored: the one is refused here and
 * the other deletes, as in a merge.
 */
export function setSubPath(origin: JsonObject, path: string, part: unknown): string | undefined {
  const names = path.split('/');
  if (names.includes('__proto__')) return `invalid sub-path: /${path}`;
  const last = names.pop() ?? '';

  let at = origin;
  for (const [index, name] of names.entries()) {
    const below: unknown = Object.hasOwn(at, name) ? at[name] : (at[name] = {});
    if (!isJsonObject(below)) return `invalid sub-path: /${names.slice(0, index + 1).join('/')}`;
    at = below;
  }
  if (part === null) delete at[last];
  else at[last] = part;
  return undefined;
}
