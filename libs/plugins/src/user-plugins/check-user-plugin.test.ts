import { expect, test } from 'vitest';
import { checkUserPlugin } from './check-user-plugin.ts';

const definition = { name: 'mine', version: 1, priority: 5, schema: { type: 'object' } };
const good = { definition, access: () => undefined };
const without = (member: string) =>
  Object.fromEntries(Object.entries(definition).filter(([name]) => name !== member));

test('what definePlugin makes is a plugin', () => {
  expect(checkUserPlugin('mine', good)).toBe(good);
  const auth = { ...definition, type: 'auth', consumerSchema: { type: 'object' } };
  expect(checkUserPlugin('mine', { definition: auth, publicApis: () => [] })).toBeDefined();
});

test.each([
  [undefined, 'its code has no default export made by definePlugin'],
  [5, 'its code has no default export made by definePlugin'],
  [{ access: good.access }, 'it has no definition'],
  [{ definition }, 'it has none of rewrite, access'],
  [{ definition, acces: good.access }, 'it has none of rewrite, access'],
  [{ definition, access: 5 }, 'access is no function'],
  [{ ...good, prepare: {} }, 'prepare is no function'],
  [{ ...good, definition: { ...definition, name: 'other' } }, 'definition is of "other"'],
  [{ ...good, definition: { ...definition, version: '1' } }, 'version is no number'],
  [{ ...good, definition: { ...definition, priority: 1.5 } }, 'priority is no whole number'],
  [{ ...good, definition: { ...definition, type: 'auth' } }, 'consumerSchema is missing'],
  [{ ...good, definition: { ...definition, type: 'x' } }, 'type can only be "auth"'],
  [{ ...good, definition: { ...definition, scope: 'x' } }, 'scope can only be "global"'],
  [{ ...good, definition: { ...definition, runPolicy: 'x' } }, 'can only be "prefer_route"'],
  [{ ...good, definition: without('schema') }, 'schema is missing'],
  [{ ...good, definition: { ...definition, schema: 5 } }, 'schema is no object'],
  [{ ...good, definition: { ...definition, schema: { type: 7 } } }, 'definition.schema: '],
  [
    { ...good, definition: { ...definition, metadataSchema: { properties: { _meta: {} } } } },
    "metadataSchema defines _meta, which is the gateway's",
  ],
])('what breaks a rule is refused with its reason: %#', (exported, reason) => {
  expect(() => checkUserPlugin('mine', exported)).toThrow(reason);
});
