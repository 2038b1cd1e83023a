import { describe, expect, test } from 'vitest';
import { ConfigError } from '../errors.ts';
import { compileExpression, validateExpression } from './compile-expression.ts';
import type { ExpressionValue } from './operators.ts';

type Vars = Readonly<Record<string, ExpressionValue>>;

function holds(rules: unknown, vars: Vars): boolean {
  return compileExpression(rules)({ get: (name) => vars[name] });
}

const k = (value: ExpressionValue): Vars => ({ k: value });

// After lua-resty-expr's own tests.
const cases: readonly (readonly [unknown, Vars, boolean])[] = [
  [[], {}, true],
  [{}, {}, true],
  [[['k', '==', 'v']], k('v'), true],
  [[['k', '==', 'v']], {}, false],
  [[['k', '==', 1]], k('1'), true],
  [[['k', '==', 1]], k('1.0'), true],
  [[['k', '==', 1]], k('one'), false],
  [[['k', '==', '1']], k('1.0'), false],
  [[['k', '==', null]], {}, true],
  [[['k', '==', null]], k('v'), false],
  [[['k', '==', true]], k('true'), false],
  [[['k', '~=', 'v']], k('w'), true],
  [[['k', '~=', 'v']], {}, true],
  [[['k', '~=', 1]], k('one'), true],
  [[['k', '~=', 1]], k('1'), false],
  [[['k', '>', 10]], k('11'), true],
  [[['k', '>', 10]], k('9'), false],
  [[['k', '>', 10]], {}, false],
  [[['k', '>', '10']], k('11'), true],
  [[['k', '>', 'x']], k('11'), false],
  [[['k', '>=', 10]], k('10'), true],
  [[['k', '<', 10]], k('9.5'), true],
  [[['k', '<=', 10]], k('10'), true],
  [[['k', '<=', 10]], k('0x0b'), false],
  [[['k', '~~', '^[a-z]+$']], k('abc'), true],
  [[['k', '~~', '^[a-z]+$']], k('Abc'), false],
  [[['k', '~~', '^[a-z]+$']], {}, false],
  [[['k', '~*', '^[a-z]+$']], k('Abc'), true],
  [[['k', 'in', ['a', 'b']]], k('b'), true],
  [[['k', 'IN', ['a', 'b']]], k('c'), false],
  [[['k', 'in', ['1']]], {}, false],
  [[['k', 'in', [1]]], k('1'), false],
  [[['k', 'in', 'a']], k('a'), false],
  [[['k', 'has', 'a']], k(['a', 'b']), true],
  [[['k', 'has', 'c']], k(['a', 'b']), false],
  [[['k', 'has', 'a']], k('a'), false],
  [[['k', 'ipmatch', ['10.0.0.0/8', '::1']]], k('10.1.2.3'), true],
  [[['k', 'ipmatch', '127.0.0.1']], k('127.0.0.1'), true],
  [[['k', 'IPMATCH', '127.0.0.1']], k('nonsense'), false],
  [[['k', 'ipmatch', '127.0.0.1']], {}, false],
  [[['k', '!', '==', 'v']], k('w'), true],
  [[['k', '!', 'in', ['a']]], k('a'), false],
  [[['k', '!', '~~', 'a']], {}, true],
  [[['k', 'v']], k('v'), true],
  // a quirk: the word is lowered before it is found to be a value
  [[['k', 'V']], k('V'), false],
  [[['k', 'V']], k('v'), true],
  [[['k', '==']], {}, true],
  [
    [
      ['k', '>', 1],
      ['k', '<', 3],
    ],
    k('2'),
    true,
  ],
  [
    [
      ['k', '>', 1],
      ['k', '<', 3],
    ],
    k('4'),
    false,
  ],
  [['OR', ['k', '==', 'a'], ['k', '==', 'b']], k('b'), true],
  [['or', ['k', '==', 'a'], ['k', '==', 'b']], k('c'), false],
  [['AND', ['k', '>', 1], ['k', '>', 2]], k('2'), false],
  [['!AND', ['k', '>', 1], ['k', '>', 2]], k('2'), true],
  [['!OR', ['k', '>', 1], ['k', '>', 2]], k('1'), true],
  [['AND', ['k', '!=', 'x'].with(1, '~='), ['OR', ['k', 'a'], ['k', 'b']]], k('b'), true],
  [
    [
      ['OR', ['k', '==', 'a'], ['k', '==', 'b']],
      ['k', '~=', 'b'],
    ],
    k('b'),
    false,
  ],
];

const refused: readonly (readonly [unknown, string])[] = [
  [undefined, 'missing argument rule'],
  [['k', '==', 'v'], 'rule should be wrapped inside brackets'],
  ['k', 'rule should be wrapped inside brackets'],
  [{ k: 'v' }, 'rule should be wrapped inside brackets'],
  [[1, 2], 'rule should be wrapped inside brackets'],
  [['OR', 'k', 'v'], 'rule should be wrapped inside brackets'],
  [[['k', '=', 'v']], "invalid operator '='"],
  [[['k', '*=', 'v']], "invalid operator '*='"],
  [[['k', '__proto__', 'v']], "invalid operator '__proto__'"],
  [[['k', { a: 1 }, 'v']], 'invalid operator \'{"a":1}\''],
  [[['k']], 'invalid expression'],
  [[[null, '==', 1]], 'invalid expression'],
  [[[]], 'rule too short'],
  [[['!', 'k', '==', '1']], "bad 'not' expression"],
  [['OR', ['k', '>', 10]], 'rule too short'],
  [['OR', ['k', '>', 10], ['AND']], 'rule too short'],
  [[['k', 'ipmatch', '']], 'invalid ip address'],
  [[['k', 'ipmatch', []]], 'invalid ip address'],
  [[['k', 'ipmatch', ['10.0.0.256']]], 'invalid ip address: 10.0.0.256'],
  [[['k', '~~', '(']], 'pcre_compile() failed: missing ) in "("'],
];

describe('compileExpression', () => {
  test.each(cases)('%j with %j is %j', (rules, vars, expected) => {
    expect(holds(rules, vars)).toBe(expected);
  });

  test.each(refused)('refuses %j: %s', (rules, message) => {
    expect(() => compileExpression(rules)).toThrow(new ConfigError(message));
    expect(() => validateExpression(rules)).toThrow(ConfigError);
  });

  test('refuses rules that nest without end', () => {
    let rules: unknown = ['k', '==', 'v'];
    for (let i = 0; i < 10_000; i += 1) rules = [rules];
    expect(() => compileExpression(rules)).toThrow('rule is too deeply nested');
  });
});
