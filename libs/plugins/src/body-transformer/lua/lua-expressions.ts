import { hasModule } from './lua-library.ts';
import { stringLibrary } from './lua-strings.ts';
import {
  arithmetic,
  assign,
  COMPARISONS,
  concat,
  described,
  indexed,
  lengthOf,
} from './lua-operators.ts';
import type { Binary } from './lua-operators.ts';
import {
  allValues,
  call,
  constant,
  globalVariable,
  localVariable,
  methodCall,
  type Expression,
} from './lua-program.ts';
import type { TokenReader } from './token-reader.ts';
import { UnsupportedLuaError } from './lua-tokens.ts';
import { isTrue, LuaError, LuaTable, toNumber } from './lua-value.ts';

/** Where a name that is a local variable has its place; undefined: it is none. */
export type FindLocal = (name: string) => number | undefined;

/** Left and right binding strength: lua.org/manual/5.1, section 2.5.6. */
const STRENGTH: Readonly<Record<string, readonly [number, number]>> = {
  or: [1, 1],
  and: [2, 2],
  '<': [3, 3],
  '>': [3, 3],
  '<=': [3, 3],
  '>=': [3, 3],
  '~=': [3, 3],
  '==': [3, 3],
  '..': [5, 4],
  '+': [6, 6],
  '-': [6, 6],
  '*': [7, 7],
  '/': [7, 7],
  '%': [7, 7],
  '^': [10, 9],
};
const UNARY_STRENGTH = 8;
const DEPTH_MAX = 100;

/** Reads expressions of Lua into functions. Throws LuaSyntaxError and UnsupportedLuaError. */
export class ExpressionParser {
  readonly #tokens: TokenReader;
  readonly #findLocal: FindLocal;
  #depth = 0;

  constructor(tokens: TokenReader, findLocal: FindLocal) {
    this.#tokens = tokens;
    this.#findLocal = findLocal;
  }

  list(): Expression[] {
    const expressions = [this.expression()];
    while (this.#tokens.accept(',')) expressions.push(this.expression());
    return expressions;
  }

  expression(strength = 0): Expression {
    if (++this.#depth > DEPTH_MAX) throw new UnsupportedLuaError('an expression nested so deep');
    let left = this.#unary();
    for (;;) {
      const symbol = this.#tokens.peekSymbol();
      const binding = symbol === undefined ? undefined : STRENGTH[symbol];
      if (symbol === undefined || binding === undefined || binding[0] <= strength) break;
      this.#tokens.next();
      left = binary(symbol, left, this.expression(binding[1]));
    }
    this.#depth -= 1;
    return left;
  }

  /** A name and what is behind it: fields and calls. */
  suffixed(): Expression {
    const tokens = this.#tokens;
    let expression: Expression;
    if (tokens.accept('(')) {
      const inner = this.expression();
      tokens.expect(')');
      // one value, and nothing to assign to
      expression = { value: inner.value, name: '' };
    } else {
      const name = tokens.name();
      const slot = this.#findLocal(name);
      expression = slot === undefined ? globalVariable(name) : localVariable(slot, name);
      if (slot === undefined && name === 'require') this.#checkModule();
    }
    for (;;) {
      if (tokens.accept('.')) {
        const name = tokens.name();
        expression = field(expression, constant(name), name);
      } else if (tokens.accept('[')) {
        expression = field(expression, this.expression());
        tokens.expect(']');
      } else if (tokens.accept(':')) {
        const name = tokens.name();
        expression = methodCall(expression, name, this.#arguments());
      } else if (tokens.peekSymbol() === '(' || tokens.peekSymbol() === '{' || tokens.isString()) {
        expression = call(expression, this.#arguments());
      } else return expression;
    }
  }

  /** Told when the template is read, not when it is rendered. */
  #checkModule(): void {
    const name = this.#tokens.stringBehind();
    if (name === undefined) throw new UnsupportedLuaError('require of what is no name');
    if (!hasModule(name)) throw new UnsupportedLuaError(`require '${name}'`);
  }

  #arguments(): Expression[] {
    const tokens = this.#tokens;
    const text = tokens.acceptString();
    if (text !== undefined) return [constant(text)];
    if (tokens.peekSymbol() === '{') return [this.#table()];
    tokens.expect('(');
    if (tokens.accept(')')) return [];
    const args = this.list();
    tokens.expect(')');
    return args;
  }

  #unary(): Expression {
    const tokens = this.#tokens;
    if (tokens.accept('not')) {
      const operand = this.expression(UNARY_STRENGTH);
      return { value: (run) => !isTrue(operand.value(run)), name: '' };
    }
    if (tokens.accept('#')) {
      const operand = this.expression(UNARY_STRENGTH);
      return { value: (run) => lengthOf(operand.value(run), operand.name), name: '' };
    }
    if (tokens.accept('-')) {
      const operand = this.expression(UNARY_STRENGTH);
      return { value: (run) => negated(operand, run), name: '' };
    }
    return this.#simple();
  }

  #simple(): Expression {
    const tokens = this.#tokens;
    const literal = tokens.acceptLiteral();
    if (literal !== undefined) return constant(literal.value);
    if (tokens.accept('function')) throw new UnsupportedLuaError('functions');
    if (tokens.accept('...')) throw new UnsupportedLuaError('...');
    return tokens.peekSymbol() === '{' ? this.#table() : this.suffixed();
  }

  #table(): Expression {
    const tokens = this.#tokens;
    const listed: Expression[] = [];
    const keyed: [Expression, Expression][] = [];
    tokens.expect('{');
    while (!tokens.accept('}')) {
      if (tokens.accept('[')) {
        const key = this.expression();
        tokens.expect(']');
        tokens.expect('=');
        keyed.push([key, this.expression()]);
      } else if (tokens.isAssignment()) {
        const key = constant(tokens.name());
        tokens.expect('=');
        keyed.push([key, this.expression()]);
      } else {
        listed.push(this.expression());
      }
      if (tokens.accept(',') || tokens.accept(';')) continue;
      tokens.expect('}');
      break;
    }
    return {
      name: '',
      value(run) {
        const table = new LuaTable();
        allValues(listed, run).forEach((value, i) => table.set(i + 1, value));
        for (const [key, value] of keyed) assign(table, key.value(run), value.value(run), '');
        return table;
      },
    };
  }
}

function negated(operand: Expression, run: Parameters<Expression['value']>[0]): number {
  const value = operand.value(run);
  const number = toNumber(value);
  if (number !== undefined) return -number;
  throw new LuaError(`attempt to perform arithmetic on ${described(operand.name, value)}`);
}

/** `name`: of a key that is written out. */
function field(object: Expression, key: Expression, name = '?'): Expression {
  return {
    value: (run) => indexed(object.value(run), key.value(run), object.name, stringLibrary),
    name: `field '${name}'`,
    assign: (run, value) => assign(object.value(run), key.value(run), value, object.name),
  };
}

function binary(symbol: string, left: Expression, right: Expression): Expression {
  if (symbol === 'and') {
    return {
      value(run) {
        const value = left.value(run);
        return isTrue(value) ? right.value(run) : value;
      },
      name: '',
    };
  }
  if (symbol === 'or') {
    return {
      value(run) {
        const value = left.value(run);
        return isTrue(value) ? value : right.value(run);
      },
      name: '',
    };
  }
  const compare = COMPARISONS[symbol];
  if (compare !== undefined) {
    return { value: (run) => compare(left.value(run), right.value(run)), name: '' };
  }
  const operate: Binary = symbol === '..' ? concat : arithmetic(symbol);
  const names = [left.name, right.name] as const;
  return {
    value: (run) => operate(left.value(run), right.value(run), names, run.budget),
    name: '',
  };
}
