import { tokenize, UnsupportedLuaError, type Token } from './lua-tokens.ts';

/** Tags that name files or blocks of the machine that runs them. */
const REFUSED: Readonly<Record<string, string>> = { '(': ')}', '[': ']}', '<': '>}', '-': '-}' };
const CLOSING: Readonly<Record<string, string>> = {
  '{': '}}',
  '*': '*}',
  '%': '%}',
  '#': '#}',
  ...REFUSED,
};

/**
 * A template of lua-resty-template as tokens of one program: `{{ }}` puts out escaped, `{* *}` as it
 * is, `{% %}` is Lua, `{# #}` nothing; a backslash before a tag makes it text. Code and comments take
 * the blanks before them and the end of the line behind them along.
 */
export function templateTokens(template: string): Token[] {
  const tokens: Token[] = [];
  const text = (value: string): void => {
    if (value !== '') tokens.push({ kind: 'text', value });
  };
  let done = 0;
  let start = template.indexOf('{');
  while (start !== -1) {
    const mark = template[start + 1] ?? '';
    const closing = CLOSING[mark];
    const end = closing === undefined ? -1 : template.indexOf(closing, start + 2);
    if (closing === undefined || end === -1) {
      start = template.indexOf('{', start + 1);
      continue;
    }
    const backslashes = template[start - 1] !== '\\' ? 0 : template[start - 2] === '\\' ? 2 : 1;
    const before = template.slice(done, start - (backslashes > 0 ? 1 : 0));
    if (backslashes === 1) {
      text(before);
      done = start;
      start = template.indexOf('{', start + 1);
      continue;
    }
    if (Object.hasOwn(REFUSED, mark)) {
      throw new UnsupportedLuaError(`the tag {${mark} ${closing}, which names other templates`);
    }
    const content = template.slice(start + 2, end);
    done = end + 2;
    if (mark === '{' || mark === '*') {
      text(before);
      tokens.push({ kind: 'output', tokens: tokenize(content), isEscaped: mark === '{' });
    } else {
      text(before.replace(/[ \t\0\v]+$/, ''));
      if (template[done] === '\n') done += 1;
      if (mark === '%') tokens.push(...tokenize(content));
    }
    start = template.indexOf('{', done);
  }
  text(template.slice(done));
  return tokens;
}
