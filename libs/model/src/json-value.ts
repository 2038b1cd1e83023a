import { ConfigError } from './errors.ts';

// cjson's default: what nests deeper is not decoded by APISIX either.
const NESTING_MAX = 1000;

/**
 * A deep copy of plain JSON data. Properties with the value undefined are left out.
 * Throws ConfigError for more than 1000 levels.
 */
export function cloneJson<T>(value: T): T {
  return copy(value, 0) as T;
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= NESTING_MAX) {
    throw new ConfigError(`too many nested data structures (${depth + 1})`);
  }
  if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
  const result: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    // Plain assignment of this one name would change the prototype.
    if (name === '__proto__') {
      Object.defineProperty(result, name, {
        value: copy(member, depth + 1),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    } else result[name] = copy(member, depth + 1);
  }
  return result;
}

/** Freezes plain JSON data through and through, in place, and returns it. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) freeze(member as unknown);
  return Object.freeze(value);
}

/** Equality of JSON data by content; as in Lua, `{}` and `[]` are the same empty table. */
export function jsonEquals(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object') return false;
  if (left === null || right === null) return false;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  if (names.length > 0 && Array.isArray(left) !== Array.isArray(right)) return false;
  return names.every(
    (name) =>
      Object.hasOwn(right, name) &&
      jsonEquals((left as JsonObject)[name], (right as JsonObject)[name]),
  );
}

/** The same text for what `jsonEquals` takes for the same, and for nothing else. */
export function contentText(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member !== 'object' || member === null) return member;
    if (isEmptyTable(member)) return {};
    if (Array.isArray(member)) return member as unknown;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

export type JsonObject = Record<string, unknown>;

/** An object that is not null and not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `{}` or `[]`: one and the same for Lua. */
export function isEmptyTable(value: object): boolean {
  if (Array.isArray(value)) return value.length === 0;
  for (const name in value) if (Object.hasOwn(value, name)) return false;
  return true;
}
