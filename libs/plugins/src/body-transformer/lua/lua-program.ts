import { GLOBALS } from './lua-library.ts';
import { stringLibrary } from './lua-strings.ts';
import { described, indexed } from './lua-operators.ts';
import { LuaBudget, LuaError, type LuaTable, type LuaValue } from './lua-value.ts';

/** One rendering. */
export interface Run {
  readonly context: LuaTable;
  readonly budget: LuaBudget;
  /** Local variables, each in its own place: there are no functions that could need two of one. */
  readonly slots: LuaValue[];
  readonly globals: Map<string, LuaValue>;
  readonly out: string[];
  outLength: number;
}

export interface Expression {
  readonly value: (run: Run) => LuaValue;
  /** Of a call: everything it answers. */
  readonly values?: (run: Run) => readonly LuaValue[];
  /** For messages, as `field 'x'`; empty: none. */
  readonly name: string;
  /** Where it may be assigned to. */
  readonly assign?: (run: Run, value: LuaValue) => void;
}

/** Whether the block, or the loop around it, goes on. */
export type Flow = 'on' | 'break';
export type Statement = (run: Run) => Flow;

export function newRun(context: LuaTable): Run {
  return {
    context,
    budget: new LuaBudget(),
    slots: [],
    globals: new Map(),
    out: [],
    outLength: 0,
  };
}

export function put(run: Run, text: string): void {
  run.outLength += text.length;
  run.budget.text(run.outLength);
  run.out.push(text);
}

export function runBlock(statements: readonly Statement[], run: Run): Flow {
  for (const statement of statements) {
    run.budget.step();
    if (statement(run) === 'break') return 'break';
  }
  return 'on';
}

export function constant(value: LuaValue): Expression {
  return { value: () => value, name: '' };
}

export function localVariable(slot: number, name: string): Expression {
  return {
    value: (run) => run.slots[slot],
    name: `local '${name}'`,
    assign: (run, value) => void (run.slots[slot] = value),
  };
}

/** `context` is the body; other names are looked for in it, and then among what all templates see. */
export function globalVariable(name: string): Expression {
  return {
    value(run) {
      if (run.globals.has(name)) return run.globals.get(name);
      if (name === 'context') return run.context;
      return run.context.get(name) ?? GLOBALS.get(name);
    },
    name: `global '${name}'`,
    assign: (run, value) => void run.globals.set(name, value),
  };
}

/** Every value of the list; the last one may be several. */
export function allValues(expressions: readonly Expression[], run: Run): LuaValue[] {
  const values: LuaValue[] = [];
  expressions.forEach((expression, i) => {
    const isLast = i === expressions.length - 1;
    if (isLast && expression.values !== undefined) values.push(...expression.values(run));
    else values.push(expression.value(run));
  });
  return values;
}

export function call(callee: Expression, args: readonly Expression[]): Expression {
  const values = (run: Run): readonly LuaValue[] =>
    invoke(callee.value(run), callee.name, allValues(args, run), run);
  return { values, value: (run) => values(run)[0], name: '' };
}

/** `object:name(…)`. */
export function methodCall(
  object: Expression,
  name: string,
  args: readonly Expression[],
): Expression {
  const values = (run: Run): readonly LuaValue[] => {
    const self = object.value(run);
    const method = indexed(self, name, object.name, stringLibrary);
    return invoke(method, `method '${name}'`, [self, ...allValues(args, run)], run);
  };
  return { values, value: (run) => values(run)[0], name: '' };
}

function invoke(
  callee: LuaValue,
  name: string,
  args: readonly LuaValue[],
  run: Run,
): readonly LuaValue[] {
  run.budget.step();
  if (typeof callee === 'function') return callee(args, run.budget);
  throw new LuaError(`attempt to call ${described(name, callee)}`);
}
