import { IpSet } from '../address/ip-set.ts';
import { ConfigError } from '../errors.ts';
import { luaNumber, luaToNumber } from '../lua-text.ts';
import { compilePattern } from '../pattern/compile-pattern.ts';

/** A variable's value; a list where the variable has several, as `graphql_root_fields`. */
export type ExpressionValue = string | number | boolean | readonly unknown[] | undefined;

/** Compares a variable with the value of the rule. */
export type Comparison = (left: ExpressionValue) => boolean;

const OPERATORS: Readonly<Record<string, (right: unknown) => Comparison>> = {
  '==': equals,
  '~=': (right) => {
    const same = equals(right);
    return (left) => !same(left);
  },
  '>': (right) => numeric(right, (a, b) => a > b),
  '>=': (right) => numeric(right, (a, b) => a >= b),
  '<': (right) => numeric(right, (a, b) => a < b),
  '<=': (right) => numeric(right, (a, b) => a <= b),
  '~~': (right) => matches(right, false),
  '~*': (right) => matches(right, true),
  in: isIn,
  has,
  ipmatch: ipMatch,
};

export function isOperator(name: string): boolean {
  return Object.hasOwn(OPERATORS, name);
}

/** Throws ConfigError when the operator cannot take the value. */
export function compareWith(operator: string, right: unknown): Comparison {
  const make = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
  if (make === undefined) throw new ConfigError(`invalid operator '${operator}'`);
  return make(right === null ? undefined : right);
}

// A number compares with the number that a text is; anything else with its like only.
function equals(right: unknown): Comparison {
  if (typeof right !== 'number') return (left) => left === right;
  return (left) => luaToNumber(left) === right;
}

function numeric(right: unknown, compare: (a: number, b: number) => boolean): Comparison {
  const limit = luaToNumber(right);
  if (limit === undefined) return () => false;
  return (left) => {
    const number = luaToNumber(left);
    return number !== undefined && compare(number, limit);
  };
}

function matches(right: unknown, caseInsensitive: boolean): Comparison {
  if (typeof right !== 'string' && typeof right !== 'number') {
    throw new ConfigError('invalid expression: a regular expression should be a string');
  }
  const source = typeof right === 'number' ? luaNumber(right) : right;
  const pattern = compilePattern(source, { caseInsensitive });
  return (left) => {
    if (typeof left === 'string') return pattern.test(left);
    return typeof left === 'number' && pattern.test(luaNumber(left));
  };
}

function isIn(right: unknown): Comparison {
  if (!Array.isArray(right)) return () => false;
  const members = new Set<unknown>(right);
  return (left) => left !== undefined && members.has(left);
}

function has(right: unknown): Comparison {
  return (left) => Array.isArray(left) && left.includes(right);
}

function ipMatch(right: unknown): Comparison {
  if (right === undefined || right === '' || right === false) {
    throw new ConfigError('invalid ip address');
  }
  const entries: readonly unknown[] = Array.isArray(right) ? right : [right];
  if (entries.length === 0) throw new ConfigError('invalid ip address');
  const set = new IpSet(entries as readonly string[]);
  return (left) => typeof left === 'string' && set.has(left);
}
