import { NULL, toText, type LuaBudget, type LuaValue } from './lua-value.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '/': '&#47;',
  '{': '&#123;',
  '}': '&#125;',
};

/**
 * What a tag puts out. Only texts are escaped; with a second value, as a call of `_escape_xml` has
 * one, braces are too, as in template.escape of lua-resty-template.
 */
export function outputText(
  values: readonly LuaValue[],
  isEscaped: boolean,
  budget: LuaBudget,
): string {
  let [value] = values;
  if (typeof value === 'function') [value] = value([], budget);
  if (value === undefined || value === NULL) return '';
  const text = toText(value);
  if (!isEscaped || typeof value !== 'string') return text;
  const isCode = values[1] !== undefined && values[1] !== false;
  return text.replace(isCode ? /[&<>"'/{}]/g : /[&<>"'/]/g, (char) => ENTITIES[char] ?? char);
}
