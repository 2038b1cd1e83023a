import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { expect, test } from 'vitest';
import { checkProto } from './check-proto.ts';

const HELLO = `
  syntax = "proto3";
  package hello;
  message Request { string name = 1; map<string, Kind> kinds = 2; enum Kind { NONE = 0; } }
  message Answer { oneof result { string text = 1; int32 code = 2; } }
  service Hello { rpc SayHi (Request) returns (stream Answer) {} }
`;

function fields(count: number): string {
  return Array.from({ length: count }, (_, i) => `A a${i} = ${i + 1};`).join('\n');
}

test('a text that compiles is accepted, with proto2 and Google’s own types', () => {
  expect(() => checkProto(HELLO)).not.toThrow();
  expect(() => checkProto('message M { required string name = 1; }')).not.toThrow();
  const timed = 'import "google/protobuf/timestamp.proto"; message M { ';
  expect(() =>
    checkProto(`syntax = "proto3"; ${timed} google.protobuf.Timestamp at = 1; }`),
  ).not.toThrow();
});

test.each([
  ['two fields of one number', 'message M { string a = 1; int32 b = 1; }'],
  ['a type that is nowhere', 'syntax = "proto3"; message M { Missing m = 1; }'],
  ['a method with an unknown type', 'service S { rpc Call (Missing) returns (Missing); }'],
  ['an import of another file', 'import "other.proto"; message M {}'],
  ['bad syntax', 'message { string name }'],
  ['no syntax at all', 'what is this'],
  ['deep nesting', 'message A {'.repeat(100_000)],
])('a text is refused for %s', (_, content) => {
  expect(() => checkProto(content)).toThrow(/^invalid content: ./);
});

test('a FileDescriptorSet in base64 is accepted; other base64 is not', () => {
  const { root } = protobuf.parse(HELLO, new protobuf.Root());
  // the library's types leave this method out
  interface Describable {
    toDescriptor(syntax: string): protobuf.Message;
  }
  const set = (root.resolveAll() as unknown as Describable).toDescriptor('proto3');
  const bytes = Buffer.from(descriptor.FileDescriptorSet.encode(set).finish());
  expect(() => checkProto(bytes.toString('base64'))).not.toThrow();

  const cut = bytes.subarray(0, -5).toString('base64');
  for (const content of [cut, Buffer.from('no descriptor').toString('base64'), '====']) {
    expect(() => checkProto(content)).toThrow(/^invalid content: /);
  }
});

test.each([
  ['fields', `message A { ${fields(50_000)} }`],
  ['oneofs', `message A { ${'oneof x { A a = 1; }'.repeat(40_000)} }`],
  ['extensions', 'extend A { A a = 1; }'.repeat(40_000)],
  ['fields behind braces in comments', `message A { ${'A a = 1; /*}{*/'.repeat(40_000)} }`],
])('a text of so many %s that compiling took minutes is refused', (_, content) => {
  expect(() => checkProto(`syntax = "proto3"; ${content}`)).toThrow(
    'invalid content: too many fields in one place',
  );
});

test('a large text of many messages is accepted', () => {
  const messages = Array.from({ length: 1000 }, (_, i) => `message M${i} { ${fields(20)} }`);
  const content = ['syntax = "proto3";', 'message A {}', ...messages].join('\n');
  expect(() => checkProto(content)).not.toThrow();
});
