import { isJsonObject, type JsonObject } from '../json-object.ts';

const FIELDS = ['create_time', 'update_time'] as const;

/**
 * The text of a refusal when a client sends times, which are the Admin API's to set. The two spaces
 * are APISIX's. Source: check_forbidden_properties in apisix/admin/resource.lua.
 */
export function refuseTimestamps(value: JsonObject): string | undefined {
  const places = [
    { path: '', at: value },
    { path: 'upstream.', at: value['upstream'] },
    { path: 'plugins.', at: value['plugins'] },
  ];
  for (const { path, at } of places) {
    if (!isJsonObject(at)) continue;
    const field = FIELDS.find((name) => Object.hasOwn(at, name) && at[name] !== false);
    if (field !== undefined) return `the property is forbidden:  ${path}${field}`;
  }
  return undefined;
}

/** For a PUT or POST: seconds since the epoch; the time of creation stays that of `previous`. */
export function stampWrite(value: JsonObject, previous: unknown): void {
  const created = isJsonObject(previous) ? previous['create_time'] : undefined;
  value['create_time'] = created ?? nowSeconds();
  value['update_time'] = nowSeconds();
}

/** For a PATCH, which may set the times itself. */
export function stampPatch(value: JsonObject, changes: JsonObject | undefined): void {
  value['create_time'] ??= nowSeconds();
  if ((changes?.['update_time'] ?? undefined) === undefined) value['update_time'] = nowSeconds();
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
