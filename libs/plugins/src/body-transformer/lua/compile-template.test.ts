import { describe, expect, test } from 'vitest';
import { compileTemplate } from './compile-template.ts';
import { fromJson } from './lua-json.ts';
import type { LuaTable } from './lua-value.ts';

const render = (template: string, context: object = {}): string =>
  compileTemplate(template)(fromJson(context) as LuaTable);

describe('compileTemplate()', () => {
  test.each([
    ['text stays', '{"a": {"b": [1]}} 100% {', '{"a": {"b": [1]}} 100% {'],
    ['values', '{{name}} {* name *} {{missing}}{{nothing}}', 'a&lt;b&#47;c a<b/c '],
    [
      'numbers',
      '{{age + 10}} {{1/3}} {{2^53}} {{7 % 3}} {{-7 % 3}}',
      '30 0.33333333333333 9.007199254741e+15 1 2',
    ],
    ['texts with numbers', '{{"n" .. age .. 1.5}} {{"10" + 5}}', 'n201.5 15'],
    ['fields', '{{deep.list[2]}} {{deep["list"][1]}} {{#deep.list}}', 'y x 2'],
    ['logic', '{{missing or "d"}} {{not missing}} {{1 < 2 and "yes" or "no"}}', 'd true yes'],
    [
      'precedence',
      '{{1 + 2 * 3 .. "x"}} {{2 ^ 3 ^ 2}} {{not 1 == 2}} {{-2 ^ 2}}',
      '7x 512 false -4',
    ],
    ['comments', 'a {# gone #}\nb{% -- gone %}\nc', 'ab\nc'.replace('ab\n', 'ab')],
    ['escaped tags', '\\{{name}} \\\\{{age}}', '{{name}} \\20'],
    [
      'conditions',
      '{% if age > 30 then %}old{% elseif age > 10 then %}mid{% else %}new{% end %}',
      'mid',
    ],
    ['lists', '{% for i, v in ipairs(deep.list) do %}{{i}}={{v}};{% end %}', '1=x;2=y;'],
    ['tables', '{% for k, v in pairs(pair) do %}{{k}}:{{v}} {% end %}', 'p:1q:2'],
    ['counts', '{% for i = 3, 1, -1 do %}{{i}}{% if i == 2 then break end %}{% end %}', '32'],
    ['while', '{% local n = 0 while n < 3 do n = n + 1 %}{{n}}{% end %}', '123'],
    ['repeat', '{% local n = 0 repeat n = n + 1 until n >= 4 %}{{n}}', '4'],
    ['scopes', '{% local x = 1 do local x = 2 end %}{{x}}{% y = 3 %}{{y}}{{context.age}}', '1320'],
    ['several values', '{% local a, b = 1 %}{{a}}{{b}}{% a, b = 2, 3 %}{{a}}{{b}}', '123'],
    ['strings', '{{string.upper(name)}} {{name:sub(1, 1)}} {{("x"):rep(3)}}', 'A&lt;B&#47;C a xxx'],
    [
      'gsub',
      "{* string.gsub('hello world', 'o', '0', 1) *} {*('a1b22'):gsub('%d+', '<%0>')*}",
      'hell0 world a<1>b<22>',
    ],
    ['find', '{* ("key=val"):match("(%w+)=") *} {* ("abc"):find("b", 1, true) *}', 'key 2'],
    ['gmatch', '{% for w in ("a b c"):gmatch("%a") do %}[{*w*}]{% end %}', '[a][b][c]'],
    [
      'format',
      '{* string.format("%05.2f|%-5s|%d|%x|%%", 3.14159, "ab", 42, 255) *}',
      '03.14|ab   |42|ff|%',
    ],
    [
      'tables made',
      '{% local t = {1, "b", k = 3, ["x y"] = 4} table.insert(t, 9) %}' +
        '{{#t}}{{t.k}}{{t["x y"]}}{{table.concat(t, ",")}}',
      '3341,b,9',
    ],
    [
      'JSON',
      "{% local c = require 'cjson' %}{* c.encode({a = {1, 2}, n = c.null}) *}{{c.decode('[5]')[1]}}",
      '{"a":[1,2],"n":null}5',
    ],
    ['YAML', '{% local y = require("lyaml") %}{{y.load("a: [1, x]").a[2]}}', 'x'],
    [
      'conversions',
      '{{tonumber("0x10")}} {{tostring(nil)}} {{type({})}} {{tonumber("z", 36)}} {{math.floor(2.7)}}',
      '16 nil table 35 2',
    ],
  ])('%s', (_, template, expected) => {
    const context = {
      name: 'a<b/c',
      age: 20,
      nothing: null,
      deep: { list: ['x', 'y'] },
      pair: { p: 1, q: 2 },
    };
    expect(render(template, context)).toBe(expected);
  });

  test.each([
    ['{{name() .. "x"}}', "attempt to call global 'name' (a string value)"],
    ['{{missing .. "x"}}', "attempt to concatenate global 'missing' (a nil value)"],
    ['{{name.a.b}}', "attempt to index field 'a' (a nil value)"],
    ['{% local l %}{{l.x}}', "attempt to index local 'l' (a nil value)"],
    ['{{missing + 1}}', "attempt to perform arithmetic on global 'missing' (a nil value)"],
    ['{{1 < "2"}}', 'attempt to compare number with string'],
    ['{{name:nope()}}', "attempt to call method 'nope' (a nil value)"],
    ['{% while true do end %}', 'too many steps'],
    ['{% local s = "x" while true do s = s .. s end %}', 'too'],
    ['{* ("a"):rep(1e9) *}', 'too long a text'],
    ['{* ("a"):rep(60):find(("a?"):rep(60) .. ("a"):rep(60)) *}', 'too'],
  ])('%s fails: %s', (template, message) => {
    expect(() => render(template, { name: 'a' })).toThrow(message);
  });

  test.each([
    '{% if x then %}',
    '{{1 +}}',
    '{% end %}',
    '{% x y %}',
    '{{"open}}',
    '{% local = 1 %}',
  ])('%s is no Lua', (template) => {
    expect(() => compileTemplate(template)).toThrow(
      expect.objectContaining({ name: 'LuaSyntaxError' }),
    );
  });

  test.each([
    '{% local f = function() end %}',
    '{% function f() end %}',
    "{% local io = require('io') %}",
    "{% os.execute('ls') require 'ffi' %}",
    '{(other.html)}',
    '{-block-}x{-block-}',
    `{{${'('.repeat(500)}1${')'.repeat(500)}}}`,
  ])('%s is more than is run here', (template) => {
    expect(() => compileTemplate(template)).toThrow(
      expect.objectContaining({ name: 'UnsupportedLuaError' }),
    );
  });

  test('nothing of JavaScript can be reached', () => {
    const template =
      '{{context.constructor}}{{("x").constructor}}{{__proto__}}{{toString}}{{os.execute}}';
    expect(render(template)).toBe('');
  });
});
