import {
  isLuaObject,
  LuaError,
  LuaTable,
  NULL,
  numberText,
  toNumber,
  typeName,
  type LuaBudget,
  type LuaValue,
} from './lua-value.ts';

/** An operator of two values; the names are how a message calls them, as `field 'x'`. */
export type Binary = (
  left: LuaValue,
  right: LuaValue,
  names: readonly [string, string],
  budget: LuaBudget,
) => LuaValue;

export const ARITHMETIC: Readonly<Record<string, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  // the sign is the right one's
  '%': (left, right) => left - Math.floor(left / right) * right,
  '^': (left, right) => left ** right,
};

export function arithmetic(symbol: string): Binary {
  const operate = ARITHMETIC[symbol] as (left: number, right: number) => number;
  return (left, right, names) => {
    const a = toNumber(left);
    const b = toNumber(right);
    if (a !== undefined && b !== undefined) return operate(a, b);
    const culprit = a === undefined ? described(names[0], left) : described(names[1], right);
    throw new LuaError(`attempt to perform arithmetic on ${culprit}`);
  };
}

export const concat: Binary = (left, right, names, budget) => {
  const [a, b] = [concatenable(left, names[0]), concatenable(right, names[1])];
  budget.text(a.length + b.length);
  return a + b;
};

function concatenable(value: LuaValue, name: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  throw new LuaError(`attempt to concatenate ${described(name, value)}`);
}

export function lessThan(left: LuaValue, right: LuaValue): boolean {
  if (typeof left === 'number' && typeof right === 'number') return left < right;
  if (typeof left === 'string' && typeof right === 'string') return left < right;
  const [a, b] = [typeName(left), typeName(right)];
  throw new LuaError(
    a === b ? `attempt to compare two ${a} values` : `attempt to compare ${a} with ${b}`,
  );
}

export const COMPARISONS: Readonly<Record<string, (left: LuaValue, right: LuaValue) => boolean>> = {
  '==': (left, right) => left === right,
  '~=': (left, right) => left !== right,
  '<': lessThan,
  '>': (left, right) => lessThan(right, left),
  '<=': (left, right) => !lessThan(right, left),
  '>=': (left, right) => !lessThan(left, right),
};

export function lengthOf(value: LuaValue, name: string): number {
  // Lua counts bytes
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (value instanceof LuaTable) return value.length;
  throw new LuaError(`attempt to get length of ${described(name, value)}`);
}

/** What stands at a key. `methods`: those of texts. */
export function indexed(value: LuaValue, key: LuaValue, name: string, methods: LuaTable): LuaValue {
  if (typeof value === 'string') return methods.get(key as string);
  if (typeof value !== 'object') throw new LuaError(`attempt to index ${described(name, value)}`);
  if (key === undefined || !isKey(key)) return undefined;
  return isLuaObject(value) ? value.get(key) : value.get(key);
}

export function assign(value: LuaValue, key: LuaValue, to: LuaValue, name: string): void {
  if (!(value instanceof LuaTable)) {
    throw new LuaError(`attempt to index ${described(name, value)}`);
  }
  if (key === undefined) throw new LuaError('table index is nil');
  if (!isKey(key) || Number.isNaN(key)) throw new LuaError('a table index of this kind is not run');
  value.set(key, to);
}

export function isKey(value: LuaValue): value is boolean | number | string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** As Lua words it: `global 'name' (a nil value)`. */
export function described(name: string, value: LuaValue): string {
  const type = value === NULL ? 'userdata' : typeName(value);
  return name === '' ? `a ${type} value` : `${name} (a ${type} value)`;
}
