import {
  LuaError,
  LuaTable,
  NULL,
  numberText,
  type LuaBudget,
  type LuaValue,
} from './lua-value.ts';

/** As deep as cjson goes. */
const DEPTH_MAX = 1000;
/** What no list that is written out has more of than it has values: cjson's limit on sparse ones. */
const SPARSE_RATIO = 2;
const SPARSE_SAFE = 10;

/** Throws a SyntaxError. */
export function parseLuaJson(text: string): LuaValue {
  return fromJson(JSON.parse(text), 0);
}

export function fromJson(value: unknown, depth = 0): LuaValue {
  if (depth > DEPTH_MAX) throw new SyntaxError('found too many nested data structures');
  if (value === null) return NULL;
  if (Array.isArray(value)) return LuaTable.list(value.map((one) => fromJson(one, depth + 1)));
  if (typeof value === 'object') {
    return LuaTable.of(
      Object.entries(value).map(([key, one]) => [key, fromJson(one, depth + 1)] as const),
    );
  }
  return value as LuaValue;
}

/** cjson.encode. Throws a LuaError for what is no JSON. */
export function toJson(value: LuaValue, budget: LuaBudget, depth = 0): string {
  budget.step();
  if (depth > DEPTH_MAX) throw new LuaError('Cannot serialise, excessive depth');
  if (value === undefined || value === NULL) return 'null';
  if (typeof value === 'string') {
    budget.text(value.length);
    return jsonText(value);
  }
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return numberText(value);
    throw new LuaError('Cannot serialise number: must not be NaN or Infinity');
  }
  if (typeof value === 'boolean') return String(value);
  if (!(value instanceof LuaTable)) {
    throw new LuaError(`Cannot serialise ${typeof value}: type not supported`);
  }
  const length = listLength(value);
  if (length > 0 || (value.isList && value.size === 0)) {
    const items = Array.from({ length }, (_, i) => toJson(value.get(i + 1), budget, depth + 1));
    return `[${items.join(',')}]`;
  }
  const members = value.entries().map(([key, one]) => {
    if (typeof key === 'boolean') {
      throw new LuaError('Cannot serialise table: table key must be a number or string');
    }
    const name = typeof key === 'number' ? numberText(key) : key;
    return `${jsonText(name)}:${toJson(one, budget, depth + 1)}`;
  });
  return `{${members.join(',')}}`;
}

/** cjson writes a slash with a backslash before it. */
function jsonText(text: string): string {
  return JSON.stringify(text).replaceAll('/', '\\/');
}

/** The largest key where all keys are whole numbers from 1 on; else 0. */
function listLength(table: LuaTable): number {
  let largest = 0;
  for (const [key] of table.entries()) {
    if (typeof key !== 'number' || !Number.isInteger(key) || key < 1) return 0;
    largest = Math.max(largest, key);
  }
  const isSparse = largest > SPARSE_SAFE && largest > table.size * SPARSE_RATIO;
  if (isSparse) throw new LuaError('Cannot serialise table: excessively sparse array');
  return largest;
}
