import { ConfigError } from '../errors.ts';
import { arrayChecks, containsCheck } from './array-checks.ts';
import { compoundChecks } from './compound-checks.ts';
import { objectChecks } from './object-checks.ts';
import { constCheck, enumCheck, formatCheck, numberChecks, stringChecks } from './scalar-checks.ts';
import { typeCheck } from './type-check.ts';
import {
  firstOf,
  schemaBug,
  type JsonSchemaObject,
  type SubschemaCompiler,
  type Validator,
} from './validator.ts';

// Silence would let configuration through that the author of the schema meant to refuse.
const NOT_BUILT = ['$ref'];

const compileConf = schemaCompiler({ secretsPass: true });
const compileData = schemaCompiler({ secretsPass: false });

/**
 * Makes a function that checks a value against a JSON Schema (draft 7 without `$ref`). It fills
 * defaults into the value in place and throws ConfigError with the words of api7/jsonschema 0.9.13
 * for the first broken rule: type, object rules, array rules, string, number, enum,
 * allOf/anyOf/oneOf/if/not, format, const, contains. A string that refers to a secret
 * (`$secret://…`, `$env://…`) passes where a string may stand. Compiled once per schema object,
 * which must not change afterwards. Throws TypeError when the schema itself is wrong.
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
  return compileConf(schema);
}

/**
 * As schemaValidator, for values that clients send: no text passes for being a reference to a secret.
 * A schema may contain itself.
 */
export function dataValidator(schema: unknown): Validator {
  return compileData(schema);
}

function schemaCompiler({ secretsPass }: { readonly secretsPass: boolean }): SubschemaCompiler {
  const validators = new WeakMap<object, Validator>();
  const compileOne: SubschemaCompiler = (schema) => {
    if (schema === true) return () => undefined;
    if (schema === false) return () => 'expect false always';
    if (typeof schema !== 'object' || schema === null) return schemaBug('schema', schema);
    const known = validators.get(schema);
    if (known !== undefined) return known;
    // for a schema that comes upon itself while it is compiled
    let compiled: Validator | undefined;
    validators.set(schema, (value) => compiled?.(value));
    try {
      compiled = compile(schema as JsonSchemaObject, compileOne);
    } catch (error) {
      validators.delete(schema);
      throw error;
    }
    if (secretsPass) compiled = passingSecrets(schema as JsonSchemaObject, compiled);
    validators.set(schema, compiled);
    return compiled;
  };
  return compileOne;
}

function compile(schema: JsonSchemaObject, compileOne: SubschemaCompiler): Validator {
  const missing = NOT_BUILT.find((keyword) => schema[keyword] !== undefined);
  if (missing !== undefined) return schemaBug(missing, schema[missing]);
  const checks = [
    typeCheck(schema),
    objectChecks(schema, compileOne),
    arrayChecks(schema, compileOne),
    stringChecks(schema),
    numberChecks(schema),
    enumCheck(schema),
    ...compoundChecks(schema, compileOne),
    formatCheck(schema),
    constCheck(schema),
    containsCheck(schema, compileOne),
  ].filter((check) => check !== undefined);
  return firstOf(checks);
}

function passingSecrets({ type }: JsonSchemaObject, validate: Validator): Validator {
  if (type !== undefined && type !== 'string') return validate;
  return (value) =>
    typeof value === 'string' && isSecretReference(value) ? undefined : validate(value);
}

/** `$secret://…` or, in any case of letters, `$ENV://…`: apisix/secret.lua, is_secret_ref. */
export function isSecretReference(text: string): boolean {
  if (text.charCodeAt(0) !== 36) return false;
  return text.startsWith('$secret://') || text.slice(0, 7).toUpperCase() === '$ENV://';
}
