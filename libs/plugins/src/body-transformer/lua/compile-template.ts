import { IPAIRS_STEP, PAIRS_STEP } from './lua-library.ts';
import { ExpressionParser } from './lua-expressions.ts';
import { described } from './lua-operators.ts';
import { allValues, newRun, put, runBlock } from './lua-program.ts';
import type { Expression, Run, Statement } from './lua-program.ts';
import { LuaSyntaxError, UnsupportedLuaError, type Token } from './lua-tokens.ts';
import { isTrue, LuaError, LuaTable, toNumber, type LuaValue } from './lua-value.ts';
import { outputText } from './output-text.ts';
import { templateTokens } from './template-tokens.ts';
import { TokenReader } from './token-reader.ts';

export type Template = (context: LuaTable) => string;

/**
 * Compiles a template of lua-resty-template. Of Lua it knows expressions, local and global variables,
 * conditions, loops, calls of what it has, and nothing else: no functions, no modules beyond a few.
 * Throws LuaSyntaxError, and UnsupportedLuaError for more; what it makes throws LuaError.
 */
export function compileTemplate(text: string): Template {
  const parser = new BlockParser(new TokenReader(templateTokens(text)));
  const program = parser.program();
  return (context) => {
    const run = newRun(context);
    runBlock(program, run);
    return run.out.join('');
  };
}

const BLOCK_ENDS: ReadonlySet<string> = new Set(['end', 'else', 'elseif', 'until']);
const UNSUPPORTED: ReadonlySet<string> = new Set(['function', 'goto', 'return']);
const NESTING_MAX = 100;

class BlockParser {
  readonly #tokens: TokenReader;
  readonly #expressions: ExpressionParser;
  /** By name, the innermost last. */
  #scope: { readonly name: string; readonly slot: number }[] = [];
  #slots = 0;
  #nesting = 0;

  constructor(tokens: TokenReader) {
    this.#tokens = tokens;
    this.#expressions = new ExpressionParser(tokens, (name) => this.#slotOf(name));
  }

  program(): Statement[] {
    const statements = this.#block();
    if (this.#tokens.peek() !== undefined) {
      throw new LuaSyntaxError(`'<eof>' expected near '${this.#tokens.near()}'`);
    }
    return statements;
  }

  #slotOf(name: string): number | undefined {
    return this.#scope.findLast((one) => one.name === name)?.slot;
  }

  #declare(name: string): number {
    const slot = this.#slots++;
    this.#scope.push({ name, slot });
    return slot;
  }

  /** Names that are declared in it end with it. */
  #block(): Statement[] {
    if (++this.#nesting > NESTING_MAX) throw new UnsupportedLuaError('blocks nested so deep');
    const outer = [...this.#scope];
    const statements: Statement[] = [];
    for (;;) {
      const symbol = this.#tokens.peekSymbol();
      if (this.#tokens.peek() === undefined || (symbol !== undefined && BLOCK_ENDS.has(symbol)))
        break;
      const statement = this.#statement();
      if (statement !== undefined) statements.push(statement);
    }
    this.#scope = outer;
    this.#nesting -= 1;
    return statements;
  }

  #statement(): Statement | undefined {
    const tokens = this.#tokens;
    const token = tokens.peek();
    if (token?.kind === 'text' || token?.kind === 'output') {
      tokens.next();
      return token.kind === 'text' ? putText(token.value) : this.#output(token);
    }
    if (tokens.accept(';')) return undefined;
    const symbol = tokens.peekSymbol();
    if (symbol !== undefined && UNSUPPORTED.has(symbol)) throw new UnsupportedLuaError(symbol);
    if (tokens.accept('local')) return this.#local();
    if (tokens.accept('if')) return this.#if();
    if (tokens.accept('for')) return this.#for();
    if (tokens.accept('while')) return this.#while();
    if (tokens.accept('repeat')) return this.#repeat();
    if (tokens.accept('break')) return () => 'break';
    if (tokens.accept('do')) {
      const body = this.#bodyToEnd();
      return (run) => runBlock(body, run);
    }
    return this.#assignmentOrCall();
  }

  #output({ tokens, isEscaped }: Token & { kind: 'output' }): Statement {
    const reader = new TokenReader(tokens);
    const parser = new ExpressionParser(reader, (name) => this.#slotOf(name));
    const expressions = reader.peek() === undefined ? [] : parser.list();
    if (reader.peek() !== undefined)
      throw new LuaSyntaxError(`')' expected near '${reader.near()}'`);
    return (run) => {
      put(run, outputText(allValues(expressions, run), isEscaped, run.budget));
      return 'on';
    };
  }

  #local(): Statement {
    const tokens = this.#tokens;
    if (tokens.peekSymbol() === 'function') throw new UnsupportedLuaError('functions');
    const names = [tokens.name()];
    while (tokens.accept(',')) names.push(tokens.name());
    const values = tokens.accept('=') ? this.#expressions.list() : [];
    // only now: a name in its own value is another one
    const slots = names.map((name) => this.#declare(name));
    return (run) => {
      const given = allValues(values, run);
      slots.forEach((slot, i) => (run.slots[slot] = given[i]));
      return 'on';
    };
  }

  #if(): Statement {
    const branches: { readonly condition: Expression | undefined; readonly body: Statement[] }[] =
      [];
    do {
      const condition = this.#expressions.expression();
      this.#tokens.expect('then');
      branches.push({ condition, body: this.#block() });
    } while (this.#tokens.accept('elseif'));
    if (this.#tokens.accept('else')) branches.push({ condition: undefined, body: this.#block() });
    this.#tokens.expect('end');
    return (run) => {
      const taken = branches.find(
        ({ condition }) => condition === undefined || isTrue(condition.value(run)),
      );
      return taken === undefined ? 'on' : runBlock(taken.body, run);
    };
  }

  #for(): Statement {
    const tokens = this.#tokens;
    const names = [tokens.name()];
    if (tokens.accept('=')) return this.#forNumbers(names[0] as string);
    while (tokens.accept(',')) names.push(tokens.name());
    tokens.expect('in');
    const sources = this.#expressions.list();
    tokens.expect('do');
    const outer = [...this.#scope];
    const slots = names.map((name) => this.#declare(name));
    const body = this.#bodyToEnd();
    this.#scope = outer;
    return (run) => {
      for (const values of iterations(allValues(sources, run), run)) {
        slots.forEach((slot, i) => (run.slots[slot] = values[i]));
        if (runBlock(body, run) === 'break') break;
      }
      return 'on';
    };
  }

  #forNumbers(name: string): Statement {
    const limits = this.#expressions.list();
    if (limits.length < 2 || limits.length > 3) throw new LuaSyntaxError("'=' or 'in' expected");
    this.#tokens.expect('do');
    const outer = [...this.#scope];
    const slot = this.#declare(name);
    const body = this.#bodyToEnd();
    this.#scope = outer;
    return (run) => {
      const [start, end, step = 1] = limits.map((limit, i) => loopNumber(limit.value(run), i));
      if (start === undefined || end === undefined || step === 0) return 'on';
      for (let i = start; step > 0 ? i <= end : i >= end; i += step) {
        run.budget.step();
        run.slots[slot] = i;
        if (runBlock(body, run) === 'break') break;
      }
      return 'on';
    };
  }

  #while(): Statement {
    const condition = this.#expressions.expression();
    this.#tokens.expect('do');
    const body = this.#bodyToEnd();
    return (run) => {
      while (isTrue(condition.value(run))) {
        run.budget.step();
        if (runBlock(body, run) === 'break') break;
      }
      return 'on';
    };
  }

  #repeat(): Statement {
    const body = this.#block();
    this.#tokens.expect('until');
    const condition = this.#expressions.expression();
    return (run) => {
      do {
        run.budget.step();
        if (runBlock(body, run) === 'break') break;
      } while (!isTrue(condition.value(run)));
      return 'on';
    };
  }

  #bodyToEnd(): Statement[] {
    const body = this.#block();
    this.#tokens.expect('end');
    return body;
  }

  #assignmentOrCall(): Statement {
    const targets = [this.#expressions.suffixed()];
    while (this.#tokens.accept(',')) targets.push(this.#expressions.suffixed());
    const [first] = targets;
    if (!this.#tokens.accept('=')) {
      const { values } = first as Expression;
      if (values === undefined || targets.length > 1) {
        throw new LuaSyntaxError(`'=' expected near '${this.#tokens.near()}'`);
      }
      return (run) => {
        values(run);
        return 'on';
      };
    }
    if (targets.some(({ assign }) => assign === undefined)) {
      throw new LuaSyntaxError("syntax error near '='");
    }
    const expressions = this.#expressions.list();
    return (run) => {
      const values = allValues(expressions, run);
      targets.forEach(({ assign }, i) => assign?.(run, values[i]));
      return 'on';
    };
  }
}

function putText(text: string): Statement {
  return (run) => {
    put(run, text);
    return 'on';
  };
}

function loopNumber(value: LuaValue, index: number): number {
  const number = toNumber(value);
  if (number !== undefined) return number;
  const what = ['initial value', 'limit', 'step'][index] ?? 'step';
  throw new LuaError(`'for' ${what} must be a number`);
}

/** The values of each turn of a loop over what `pairs`, `ipairs` or another function steps through. */
function* iterations(
  [step, state, first]: readonly LuaValue[],
  run: Run,
): Generator<readonly LuaValue[]> {
  if ((step === PAIRS_STEP || step === IPAIRS_STEP) && state instanceof LuaTable) {
    const entries = step === PAIRS_STEP ? state.entries() : [...state.listed().entries()];
    for (const [key, value] of entries) {
      run.budget.step();
      yield step === PAIRS_STEP ? [key, value] : [Number(key) + 1, value];
    }
    return;
  }
  if (typeof step !== 'function') {
    throw new LuaError(`attempt to call ${described('', step)}`);
  }
  let control = first;
  for (;;) {
    run.budget.step();
    const values = step([state, control], run.budget);
    [control] = values;
    if (control === undefined) return;
    yield values;
  }
}
