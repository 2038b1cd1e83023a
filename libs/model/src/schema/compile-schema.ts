import { ConfigError } from '../errors.ts';
import { arrayChecks, containsCheck } from './array-checks.ts';
import { compoundChecks } from './compound-checks.ts';
import { objectChecks } from './object-checks.ts';
import { constCheck, enumCheck, formatCheck, numberChecks, stringChecks } from './scalar-checks.ts';
import { typeCheck } from './type-check.ts';
import { firstOf, schemaBug, type JsonSchemaObject, type Validator } from './validator.ts';

const validators = new WeakMap<object, Validator>();

// Silence would let configuration through that the author of the schema meant to refuse.
const NOT_BUILT = ['$ref', 'additionalItems', 'propertyNames'];

/**
 * Makes a function that checks a value against a JSON Schema (draft 7 as far as APISIX uses it:
 * no `$ref`, `additionalItems`, `propertyNames`). It fills defaults into the value in place and
 * throws ConfigError with the words of api7/jsonschema 0.9.13 for the first broken rule: type,
 * object rules, array rules, string, number, enum, allOf/anyOf/oneOf/if/not, format, const,
 * contains. A string that refers to a secret (`$secret://…`, `$env://…`) passes where a string
 * may stand. Compiled once per schema object, which must not change afterwards.
 * Throws TypeError when the schema itself is wrong.
 */
export function compileSchema(schema: JsonSchemaObject): (value: unknown) => void {
  const validate = schemaValidator(schema);
  return (value) => {
    const error = validate(value);
    if (error !== undefined) throw new ConfigError(error);
  };
}

/** As compileSchema, but gives the message instead of throwing it. */
export function schemaValidator(schema: unknown): Validator {
  if (schema === true) return () => undefined;
  if (schema === false) return () => 'expect false always';
  if (typeof schema !== 'object' || schema === null) return schemaBug('schema', schema);
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const validator = compile(schema as JsonSchemaObject);
  validators.set(schema, validator);
  return validator;
}

function compile(schema: JsonSchemaObject): Validator {
  const missing = NOT_BUILT.find((keyword) => schema[keyword] !== undefined);
  if (missing !== undefined) return schemaBug(missing, schema[missing]);
  const checks = [
    typeCheck(schema),
    objectChecks(schema, schemaValidator),
    arrayChecks(schema, schemaValidator),
    stringChecks(schema),
    numberChecks(schema),
    enumCheck(schema),
    ...compoundChecks(schema, schemaValidator),
    formatCheck(schema),
    constCheck(schema),
    containsCheck(schema, schemaValidator),
  ].filter((check) => check !== undefined);
  if (checks.length === 0) return () => undefined;
  const validate = firstOf(checks);
  const { type } = schema;
  if (type !== undefined && type !== 'string') return validate;
  return (value) =>
    typeof value === 'string' && isSecretReference(value) ? undefined : validate(value);
}

/** `$secret://…` or, in any case of letters, `$ENV://…`: apisix/secret.lua, is_secret_ref. */
export function isSecretReference(text: string): boolean {
  if (text.charCodeAt(0) !== 36) return false;
  return text.startsWith('$secret://') || text.slice(0, 7).toUpperCase() === '$ENV://';
}
