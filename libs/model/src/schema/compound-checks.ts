import {
  listKeyword,
  type JsonSchemaObject,
  type SubschemaCompiler,
  type Validator,
} from './validator.ts';

/** allOf, anyOf, oneOf, if/then/else, not; in this order. */
export function compoundChecks(
  schema: JsonSchemaObject,
  compile: SubschemaCompiler,
): readonly Validator[] {
  return [
    allOfCheck(schema, compile),
    anyOfCheck(schema, compile),
    oneOfCheck(schema, compile),
    conditionCheck(schema, compile),
    notCheck(schema, compile),
  ].filter((check) => check !== undefined);
}

function allOfCheck(schema: JsonSchemaObject, compile: SubschemaCompiler): Validator | undefined {
  const validators = listKeyword(schema, 'allOf')?.map(compile);
  if (validators === undefined) return undefined;
  return (value) => {
    for (const [i, validate] of validators.entries()) {
      const error = validate(value);
      if (error !== undefined) return `allOf ${i + 1} failed: ${error}`;
    }
    return undefined;
  };
}

function anyOfCheck(schema: JsonSchemaObject, compile: SubschemaCompiler): Validator | undefined {
  const options = listKeyword(schema, 'anyOf');
  if (options === undefined) return undefined;
  const validators = options.map(compile);
  const required = options
    .map((option) => (option as JsonSchemaObject)['required'])
    .filter((names) => names !== undefined)
    // cjson writes the slash escaped
    .map((names) => JSON.stringify(names).replaceAll('/', '\\/'));
  const hint = required.length > 0 ? `: ${required.join(' or ')}` : '';
  const message = `object matches none of the required${hint}`;
  return (value) =>
    validators.some((validate) => validate(value) === undefined) ? undefined : message;
}

function oneOfCheck(schema: JsonSchemaObject, compile: SubschemaCompiler): Validator | undefined {
  const validators = listKeyword(schema, 'oneOf')?.map(compile);
  if (validators === undefined) return undefined;
  return (value) => {
    let matched = 0;
    for (const [i, validate] of validators.entries()) {
      if (validate(value) !== undefined) continue;
      if (matched > 0) {
        const both = `${matched} and ${i + 1}`;
        return `value should match only one schema, but matches both schemas ${both}`;
      }
      matched = i + 1;
    }
    return matched > 0 ? undefined : 'value should match only one schema, but matches none';
  };
}

function conditionCheck(
  schema: JsonSchemaObject,
  compile: SubschemaCompiler,
): Validator | undefined {
  if (schema['if'] === undefined) return undefined;
  const condition = compile(schema['if']);
  const whenTrue = schema['then'] === undefined ? undefined : compile(schema['then']);
  const whenFalse = schema['else'] === undefined ? undefined : compile(schema['else']);
  return (value) => {
    if (condition(value) === undefined) {
      return whenTrue?.(value) === undefined ? undefined : 'then clause did not match';
    }
    return whenFalse?.(value) === undefined ? undefined : 'else clause did not match';
  };
}

function notCheck(schema: JsonSchemaObject, compile: SubschemaCompiler): Validator | undefined {
  if (schema['not'] === undefined) return undefined;
  const validate = compile(schema['not']);
  return (value) =>
    validate(value) === undefined ? "value wasn't supposed to match schema" : undefined;
}
