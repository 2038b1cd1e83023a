import { MemoryContext, memoryLog } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { compileTemplate } from './variable-template.ts';

const { vars } = new MemoryContext({ vars: { a: '1', 'b.c': '2', empty: '' } }, memoryLog());

describe('a template', () => {
  test.each([
    ['plain', 'plain'],
    ['$a/${a}/${ a }', '1/1/1'],
    ['$b.c-$a', '2-1'],
    ['$nothing|', '|'],
    ['${nothing ?? x y}', 'x y'],
    ['${a??x}', '1'],
    ['${empty ?? x}', ''],
    ['\\$a', '\\$a'],
    ['$$a', '$1'],
    ['${}', '${}'],
    ['${a', '${a'],
    ['', ''],
  ])('%j is %j', (template, text) => {
    expect(compileTemplate(template).render(vars)).toBe(text);
  });

  test('counts what it could resolve, defaults too', () => {
    const resolved = (template: string) => compileTemplate(template).resolve(vars).resolved;
    expect(resolved('$a $nothing ${nothing ?? x}')).toBe(2);
    expect(resolved('constant')).toBe(0);
  });

  test('escapes values, but not its own text', () => {
    const escape = (value: string) => `<${value}>`;
    expect(compileTemplate('<>$a${nothing ?? d}').render(vars, escape)).toBe('<><1><d>');
  });

  test('fills in captures where it is told to; others are variables without a value', () => {
    const found = ['whole', 'one', undefined];
    const withCaptures = compileTemplate('$0 $1x ${1} $2 $9 $a \\$1', { captures: true });
    expect(withCaptures.renderWithCaptures(vars, found)).toBe('whole onex one   1 \\$1');
    expect(compileTemplate('[$1]').render(vars)).toBe('[]');
  });
});
