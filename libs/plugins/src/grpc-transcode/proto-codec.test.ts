import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { luaJson } from './lua-json.ts';
import { decodeMessage, decodeOptions } from './proto-decode.ts';
import { encodeMessage, ProtoValueError } from './proto-encode.ts';
import { ProtoShapes } from './proto-shapes.ts';

const NUMBERS = [
  ...['double', 'float', 'int32', 'uint32', 'sint32', 'int64', 'uint64', 'sint64'],
  ...['fixed32', 'fixed64', 'sfixed32', 'sfixed64'],
];
const ALL = `
  syntax = "proto3";
  package all;
  enum Color { RED = 0; GREEN = 1; DARK = -1; }
  message All {
    ${NUMBERS.map((type, i) => `${type} one_${type} = ${i + 1};`).join('\n')}
    ${NUMBERS.map((type, i) => `repeated ${type} many_${type} = ${i + 101};`).join('\n')}
    bool flag = 50;
    string text = 51;
    bytes raw = 52;
    Color color = 53;
    repeated Color colors = 54;
    All inner = 55;
    repeated All list = 56;
    map<string, All> members = 57;
    map<int32, string> names = 58;
    oneof choice { string word = 60; int32 number = 61; }
  }
`;
const OLD = `
  syntax = "proto2";
  package old;
  enum Size { SMALL = 1; LARGE = 2; }
  message Old {
    optional int32 count = 1 [default = 7];
    optional string text = 2;
    optional Size size = 3 [default = LARGE];
    repeated int32 list = 4;
  }
`;

/** protoc's, of a package `t` with a Reply, a service S and its method M. */
const DESCRIPTOR_SET =
  'CqMCCgd0LnByb3RvEgF0Iu4BCgVSZXBseRIZCghtc2dfdGV4dBgBIAEoCVIHbXNnVGV4dBIUCgVpdGVtcxgC' +
  'IAMoCVIFaXRlbXMSLQoHYnlfbmFtZRgDIAMoCzIULnQuUmVwbHkuQnlOYW1lRW50cnlSBmJ5TmFtZRIZCgVt' +
  'YXliZRgEIAEoBUgAUgVtYXliZYgBARpJCgtCeU5hbWVFbnRyeRIQCgNrZXkYASABKAlSA2tleRIkCgV2YWx1' +
  'ZRgCIAEoCzIOLnQuUmVwbHkuSW5uZXJSBXZhbHVlOgI4ARoVCgVJbm5lchIMCgFuGAEgASgFUgFuQggKBl9t' +
  'YXliZTIcCgFTEhcKAU0SCC50LlJlcGx5GggudC5SZXBseWIGcHJvdG8z';

const shapes = new ProtoShapes(ALL);
const shape = shapes.findMessage('all.All')!;
const library = protobuf.parse(ALL, new protobuf.Root(), { keepCase: true }).root;
const reference = library.lookupType('all.All');
const auto = decodeOptions(['enum_as_name', 'int64_as_number', 'auto_default_values']);

/** What the reference reads of what we write. */
function read(values: Record<string, unknown>): Record<string, unknown> {
  const bytes = encodeMessage(shape, values);
  return reference.toObject(reference.decode(bytes), { longs: String, bytes: String });
}

/** What we read of what the reference writes. */
function json(values: Record<string, unknown>, options = decodeOptions(['no_default_values'])) {
  const bytes = Buffer.from(reference.encode(reference.fromObject(values)).finish());
  return luaJson(decodeMessage(shape, bytes, options));
}

describe('encodeMessage', () => {
  test.each(NUMBERS)('writes %s as the reference reads it, one and many', (type) => {
    const isUnsigned = type.startsWith('u') || type.startsWith('fixed');
    const values = isUnsigned ? [1, 300, 4294967295] : [1, -1, 300, 2147483647, -2147483648];
    for (const value of values) {
      const many = [value, 0, 5];
      const said = read({ [`one_${type}`]: value, [`many_${type}`]: many });
      const expected = type === 'float' ? Math.fround(value) : value;
      expect(Number(said[`one_${type}`])).toBe(expected);
      expect((said[`many_${type}`] as unknown[]).slice(1).map(Number)).toEqual([0, 5]);
    }
  });

  test('writes messages, lists of them, maps, members of a oneof and enums by name and number', () => {
    const values = {
      inner: { text: 'ä', color: 'GREEN' },
      list: [{ one_int32: 1 }, {}],
      members: { alice: { flag: true } },
      names: { 5: 'five' },
      colors: ['GREEN', 0, 'DARK'],
      number: 0,
    };
    expect(read(values)).toMatchObject({
      inner: { text: 'ä', color: 1 },
      list: [{ one_int32: 1 }, {}],
      members: { alice: { flag: true } },
      names: { 5: 'five' },
      colors: [1, 0, -1],
      number: 0,
    });
  });

  test.each([
    [1, '1'],
    ['123', '123'],
    ['#123', '123'],
    ['0xabF', '2751'],
    ['#-0x123abcdef', '-4893429231'],
    ['-#0x123abcdef', '-4893429231'],
    ['#9007199254740993', '9007199254740993'],
    // Lua's numbers are doubles
    ['9007199254740993', '9007199254740992'],
    [2.9, '2'],
  ])('takes %j for an int64 as %s', (given, expected) => {
    expect(read({ one_int64: given })['one_int64']).toBe(expected);
  });

  test.each([
    ...['#a', '+aaa', '#aaaa', '#-aa'].map((one) => ({ one_int64: one })),
    { one_int64: [1] },
    { one_int64: 1e300 },
    { text: 5 },
    { text: { a: 1 } },
    { text: null },
    { color: 'BLUE' },
    { many_string: 'x', colors: 'GREEN' },
    { list: ['text'] },
    { members: 5 },
    { one_double: 'x' },
  ])('refuses %j', (values) => {
    expect(() => encodeMessage(shape, values)).toThrow(ProtoValueError);
  });

  test('sends no default values of proto3', () => {
    expect(
      encodeMessage(shape, { one_int32: 0, text: '', flag: false, color: 'RED' }),
    ).toHaveLength(0);
  });
});

describe('decodeMessage', () => {
  test.each(NUMBERS)('reads %s as the reference writes it', (type) => {
    const isUnsigned = type.startsWith('u') || type.startsWith('fixed');
    const value = isUnsigned ? 4294967295 : -2147483648;
    expect(json({ [`one_${type}`]: value, [`many_${type}`]: [1, 2] })).toBe(
      `{"one_${type}":${type === 'float' || type === 'double' ? '-2147483648' : value},"many_${type}":[1,2]}`,
    );
  });

  test('reads maps, messages, the name of a oneof’s member, and bytes as they are', () => {
    const values = {
      raw: Buffer.from([0, 0x7f, 0xff]),
      color: 'DARK',
      inner: {},
      members: { a: { text: 'x' } },
      names: { 2: 'two' },
      word: 'w',
    };
    const said = json(values);
    expect(JSON.parse(said)).toEqual({
      ...values,
      raw: '\0\x7f\xff',
      choice: 'word',
      inner: {},
    });
    expect(said).toContain('"raw":"\\u0000\\u007f\xff"');
  });

  test.each([
    [['int64_as_number'], '2251799813685261', '2.2517998136853e+15'],
    [['int64_as_string'], '2251799813685261', '"#2251799813685261"'],
    [['int64_as_string'], '-3000000000', '"#-3000000000"'],
    [['int64_as_string'], '4294967295', '4294967295'],
    [['int64_as_hexstring'], '2251799813685261', '"#0x800000000000D"'],
    [['int64_as_hexstring'], '-4294967296', '"#-0x100000000"'],
  ] as const)('with %j an int64 of %s is %s', (options, value, expected) => {
    const said = json({ one_int64: value }, decodeOptions([...options, 'no_default_values']));
    expect(said).toBe(`{"one_int64":${expected}}`);
  });

  test('tells of an unsigned number past the signed ones', () => {
    const bytes = encodeMessage(shape, { one_uint64: '#18446744073709551615' });
    const said = (option: 'int64_as_string' | 'int64_as_number') =>
      decodeMessage(shape, bytes, decodeOptions([option]))['one_uint64'];
    expect(said('int64_as_string')).toBe('#18446744073709551615');
    // a quirk of lua-protobuf
    expect(said('int64_as_number')).toBe(-1);
  });

  test('names enums, or gives their numbers; one that has no name stays a number', () => {
    const none = 'no_default_values';
    expect(json({ color: 1 })).toBe('{"color":"GREEN"}');
    expect(json({ color: 1 }, decodeOptions(['enum_as_value', none]))).toBe('{"color":1}');
    expect(json({ color: 9 })).toBe('{"color":9}');
  });

  test('tells of absent fields as the options say; never of messages and members of a oneof', () => {
    const absent = decodeMessage(shape, Buffer.alloc(0), auto);
    expect(absent).toMatchObject({ one_int64: 0, flag: false, text: '', color: 'RED', list: [] });
    expect(absent).toMatchObject({ members: {} });
    expect(Object.keys(absent)).not.toContain('inner');
    expect(Object.keys(absent)).not.toContain('word');
    const lists = decodeMessage(shape, Buffer.alloc(0), decodeOptions(['use_default_metatable']));
    expect(Object.values(lists).every((value) => typeof value === 'object')).toBe(true);
    expect(json({})).toBe('{}');
  });

  test('of a proto2 file only written defaults are told, and only when asked for', () => {
    const old = new ProtoShapes(OLD).findMessage('old.Old')!;
    const said = (option: Parameters<typeof decodeOptions>[0][number]) =>
      luaJson(decodeMessage(old, Buffer.alloc(0), decodeOptions([option])));
    expect(said('auto_default_values')).toBe('{}');
    expect(said('use_default_values')).toBe('{"count":7,"size":"LARGE"}');
  });

  test.each([['08'], ['0a05'], ['ff'], [`12${'ff'.repeat(10)}`], ['9a03'], ['33']])(
    'refuses the bytes %s',
    (hex) => {
      expect(() => decodeMessage(shape, Buffer.from(hex, 'hex'), auto)).toThrow(Error);
    },
  );

  test('passes over fields that it does not know', () => {
    const bytes = Buffer.from('f87f01fa7f0161fd7f00000000f97f0000000000000000', 'hex');
    expect(decodeMessage(shape, bytes, decodeOptions(['no_default_values']))).toEqual({});
  });

  test('does not go deeper than cjson', () => {
    let bytes = Buffer.alloc(0);
    for (let i = 0; i < 1200; i++) {
      const head = protobuf.Writer.create()
        .uint32((55 << 3) | 2)
        .uint32(bytes.length)
        .finish();
      bytes = Buffer.concat([head, bytes]);
    }
    expect(() => decodeMessage(shape, bytes, auto)).toThrow('too many levels');
  });
});

describe('ProtoShapes', () => {
  test('reads a FileDescriptorSet, with maps and names as they were written', () => {
    const set = DESCRIPTOR_SET;
    const reply = new ProtoShapes(set).findMessage('t.Reply')!;
    const bytes = encodeMessage(reply, { msg_text: 'hi', by_name: { a: { n: 1 } } });
    expect(luaJson(decodeMessage(reply, bytes, auto))).toBe(
      '{"msg_text":"hi","items":[],"by_name":{"a":{"n":1}}}',
    );
    const maybe = encodeMessage(reply, { maybe: 0 });
    expect(luaJson(decodeMessage(reply, maybe, auto))).toContain('"_maybe":"maybe","maybe":0');
    expect(new ProtoShapes(set).findMethod('t.S', 'M')?.output).toBeDefined();
    expect(new ProtoShapes(set).findMethod('t.S', 'constructor')).toBeUndefined();
    expect(new ProtoShapes(set).findMethod('t.Reply', 'M')).toBeUndefined();
  });

  test('names fields of Google’s own types as their files do', () => {
    const proto = new ProtoShapes(`
      syntax = "proto3"; package g; import "google/protobuf/struct.proto";
      message M { google.protobuf.Value value = 1; }
    `);
    const m = proto.findMessage('g.M')!;
    const bytes = encodeMessage(m, { value: { string_value: 'x' } });
    expect(luaJson(decodeMessage(m, bytes, auto))).toBe(
      '{"value":{"kind":"string_value","string_value":"x"}}',
    );
  });
});
