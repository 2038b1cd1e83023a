import { isEmptyTable } from '../json-value.ts';
import { luaType } from '../lua-text.ts';
import { schemaBug, type JsonSchemaObject, type Validator } from './validator.ts';

type TypeTest = (value: unknown) => boolean;

// Lua has one table for both, so an empty object passes for an array and the other way round.
const TESTS: Readonly<Record<string, TypeTest>> = {
  object: (value) =>
    typeof value === 'object' && value !== null && (!Array.isArray(value) || value.length === 0),
  array: (value) =>
    Array.isArray(value) || (typeof value === 'object' && value !== null && isEmptyTable(value)),
  table: (value) => typeof value === 'object' && value !== null,
  integer: (value) => Number.isInteger(value),
  number: (value) => typeof value === 'number',
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  // a type of Lua that no JSON value has
  function: () => false,
};

export function typeCheck(schema: JsonSchemaObject): Validator | undefined {
  const { type } = schema;
  if (type === undefined) return undefined;
  if (typeof type === 'string') {
    const test = testFor(type);
    return (value) =>
      test(value) ? undefined : `wrong type: expected ${type}, got ${luaType(value)}`;
  }
  if (!Array.isArray(type)) return schemaBug('type', type);
  const tests = type.map(testFor);
  const names = type.join(', ');
  return (value) =>
    tests.some((test) => test(value))
      ? undefined
      : `wrong type: expected one of ${names}, got ${luaType(value)}`;
}

function testFor(type: unknown): TypeTest {
  return TESTS[String(type)] ?? schemaBug('type', type);
}

/**
 * Gives an empty table the shape its schema asks for: `[]` becomes `{}` where an object is due,
 * so that defaults can be filled in, and `{}` becomes `[]` where a list is due.
 */
export function shapeEmptyTable(schema: unknown): ((value: unknown) => unknown) | undefined {
  const type = (schema as JsonSchemaObject | undefined | null)?.['type'];
  if (type === 'object') {
    return (value) => (Array.isArray(value) && value.length === 0 ? {} : value);
  }
  if (type !== 'array') return undefined;
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return isEmptyTable(value) ? [] : value;
  };
}
