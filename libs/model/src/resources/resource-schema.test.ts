import { expect, test } from 'vitest';
import { compileSchema } from '../schema/compile-schema.ts';
import { RESOURCE_KINDS } from './kinds.ts';
import { PLUGIN_META_SCHEMA, withPluginMeta } from './plugin-meta.schema.ts';
import { resourceSchema } from './resource-schema.ts';
import { URI_SCHEMA, realmSchema } from './schema-parts.ts';

test.each(RESOURCE_KINDS)('the schema of %s is plain JSON that compiles', (kind) => {
  const schema = resourceSchema(kind);
  expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  expect(() => compileSchema(schema)).not.toThrow();
});

test('a plugin’s schema is served with _meta and the mark of the injection', () => {
  const schema = { type: 'object', properties: { i: { type: 'number' } }, required: ['i'] };
  expect(withPluginMeta(schema)).toEqual({
    $comment: 'this is a mark for our injected plugin schema',
    type: 'object',
    properties: { i: { type: 'number' }, _meta: PLUGIN_META_SCHEMA },
    required: ['i'],
  });
  expect(withPluginMeta(schema)).toBe(withPluginMeta(schema));
  expect(schema.properties).not.toHaveProperty('_meta');
});

test('a realm is printable ASCII without quotes and backslashes', () => {
  const check = compileSchema(realmSchema('key'));
  for (const realm of ['a b!', '#[]~']) expect(() => check(realm)).not.toThrow();
  for (const realm of ['', 'a"', 'a\\', 'a\n', 'é']) expect(() => check(realm)).toThrow();
});

test('an address of a service has a scheme and a host', () => {
  const check = compileSchema(URI_SCHEMA);
  for (const uri of ['http://a.com', 'https://[::1]:80/x']) expect(() => check(uri)).not.toThrow();
  expect(() => check('a.com')).toThrow('failed to match pattern "^[^\\\\/]+:');
});
