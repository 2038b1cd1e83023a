import { ConfigError } from '../errors.ts';
import { compareWith, isOperator, type Comparison, type ExpressionValue } from './operators.ts';

/** Where an expression gets its variables. */
export interface ExpressionVars {
  get(name: string): ExpressionValue;
}

/** True when the expression holds. */
export type Expression = (vars: ExpressionVars) => boolean;

// A rule of JSON that came through our own limits nests no deeper than this in earnest.
const NESTING_MAX = 64;

/**
 * Compiles a lua-resty-expr expression: a list of rules that must all hold, or a logical operator
 * and its rules (`["OR", […], […]]`, also `AND`, `!OR`, `!AND`, in any case of letters, nested).
 * A rule is `[name, operator, value]`, `[name, "!", operator, value]` or `[name, value]`.
 * No rule at all always holds. Sources: lua-resty-expr 1.3.2, lib/resty/expr/v1.lua.
 * Throws ConfigError with its messages; where it would raise a Lua error, with our own.
 */
export function compileExpression(rules: unknown): Expression {
  if (rules === undefined || rules === null) throw new ConfigError('missing argument rule');
  if (typeof rules !== 'object') throw notWrapped();
  if (Object.keys(rules).length === 0) return () => true;
  if (!Array.isArray(rules)) throw notWrapped();
  const first: unknown = rules[0];
  if (!isTable(first) && logicOf(first) === undefined) throw notWrapped();
  return compileRules(rules, 0);
}

/** Throws what compileExpression throws. */
export function validateExpression(rules: unknown): void {
  compileExpression(rules);
}

type Logic = 'AND' | 'OR' | '!AND' | '!OR';

function compileRules(rules: unknown, depth: number): Expression {
  if (depth > NESTING_MAX) throw new ConfigError('rule is too deeply nested');
  if (!isTable(rules)) throw notWrapped();
  if (!Array.isArray(rules) || rules.length === 0) throw new ConfigError('rule too short');
  const first: unknown = rules[0];
  if (isTable(first)) return combine('AND', compileEach(rules, depth));
  const logic = logicOf(first);
  if (logic === undefined) return compileRule(rules);
  if (rules.length <= 2) throw new ConfigError('rule too short');
  return combine(logic, compileEach(rules.slice(1), depth));
}

function compileEach(rules: readonly unknown[], depth: number): readonly Expression[] {
  return rules.map((rule) => compileRules(rule, depth + 1));
}

function combine(logic: Logic, parts: readonly Expression[]): Expression {
  const [only] = parts;
  switch (logic) {
    case 'AND':
      if (parts.length === 1 && only !== undefined) return only;
      return (vars) => parts.every((part) => part(vars));
    case 'OR':
      return (vars) => parts.some((part) => part(vars));
    case '!AND':
      return (vars) => !parts.every((part) => part(vars));
    case '!OR':
      return (vars) => !parts.some((part) => part(vars));
  }
}

function compileRule(rule: readonly unknown[]): Expression {
  const negated = rule.length === 4;
  if (negated && rule[1] !== '!') throw new ConfigError("bad 'not' expression");
  const name = nameOf(rule[0]);
  const { operator, value } = operatorAndValue(negated ? rule.slice(2) : rule.slice(1));
  const compare: Comparison = compareWith(operator, value);
  return (vars) => compare(vars.get(name)) !== negated;
}

function nameOf(name: unknown): string {
  if (typeof name === 'string' || typeof name === 'number') return String(name);
  throw new ConfigError('invalid expression');
}

function operatorAndValue(rest: readonly unknown[]): { operator: string; value: unknown } {
  const [word, value] = rest;
  if (word === undefined) throw new ConfigError('invalid expression');
  if (typeof word !== 'string' && typeof word !== 'number') {
    throw new ConfigError(`invalid operator '${JSON.stringify(word)}'`);
  }
  // Also where the word is a value after all: `["http_x", "Foo"]` compares with "foo" in APISIX.
  const lowered = String(word).toLowerCase();
  if (value === undefined && !isOperator(lowered)) return { operator: '==', value: lowered };
  if (!isOperator(lowered)) throw new ConfigError(`invalid operator '${lowered}'`);
  return { operator: lowered, value };
}

function logicOf(word: unknown): Logic | undefined {
  if (typeof word !== 'string') return undefined;
  const upper = word.toUpperCase();
  switch (upper) {
    case 'AND':
    case 'OR':
    case '!AND':
    case '!OR':
      return upper;
    default:
      return undefined;
  }
}

function isTable(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function notWrapped(): ConfigError {
  return new ConfigError('rule should be wrapped inside brackets');
}
