import v8 from 'node:v8';

// V8 has a second engine, without backtracking, whose time grows with the length of the subject
// alone (flag `l`). It is several times slower on everyday patterns. The flag is the process's;
// setting it again, as each worker thread does, changes nothing.
// `--enable-experimental-regexp-engine-on-excessive-backtracks` is no help: V8 14.6 does not count
// every backtrack (measured: `.*a.*b.*c` against 100,000 characters takes seconds, `a?` 300 times
// and `a` 300 times does not end).
v8.setFlagsFromString('--enable-experimental-regexp-engine');

/** Finds the first match at or after an index. */
export interface RegExpRunner {
  exec(subject: string, from: number): RegExpExecArray | null;
  test(subject: string): boolean;
}

/** Runs a pattern, which needs no flags, in linear time; undefined when the engine cannot. */
export function linearRunner(source: string): RegExpRunner | undefined {
  return runner(source, 'gl');
}

/** Runs a pattern with backtracking; undefined when V8 finds it too large. */
export function backtrackingRunner(source: string): RegExpRunner | undefined {
  return runner(source, 'g');
}

function runner(source: string, flags: string): RegExpRunner | undefined {
  const expression = tryRegExp(source, flags);
  if (expression === undefined) return undefined;
  return {
    exec(subject, from) {
      expression.lastIndex = from;
      return expression.exec(subject);
    },
    test(subject) {
      expression.lastIndex = 0;
      return expression.test(subject);
    },
  };
}

// V8 makes the code at the first use, once for each width of text, and for a large pattern may
// fail only then.
const CERTAIN_CHARS_MAX = 1000;
const FIRST_SUBJECTS = ['a', '\u0100'];

// The only place where configuration becomes a RegExp: after our own parser has read it.
function tryRegExp(source: string, flags: string): RegExp | undefined {
  try {
    const expression = new RegExp(source, flags);
    if (source.length <= CERTAIN_CHARS_MAX) return expression;
    for (const subject of FIRST_SUBJECTS) {
      expression.lastIndex = 0;
      expression.test(subject);
    }
    return expression;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}
