/** A JSON Schema as plain data: the Admin API serves it as it stands. */
export type JsonSchemaObject = Readonly<Record<string, unknown>>;

/** The message of the first broken rule, or undefined for a valid value. May fill in defaults. */
export type Validator = (value: unknown) => string | undefined;

/** Turns a subschema into its validator. */
export type SubschemaCompiler = (schema: unknown) => Validator;

/** A schema that cannot be compiled is a bug of its author, not of the configuration. */
export function schemaBug(keyword: string, value: unknown): never {
  throw new TypeError(`invalid schema: ${keyword} is ${JSON.stringify(value)}`);
}

export function numberKeyword(schema: JsonSchemaObject, keyword: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  return typeof value === 'number' ? value : schemaBug(keyword, value);
}

export function listKeyword(
  schema: JsonSchemaObject,
  keyword: string,
): readonly unknown[] | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  return Array.isArray(value) ? (value as readonly unknown[]) : schemaBug(keyword, value);
}

export function mapKeyword(
  schema: JsonSchemaObject,
  keyword: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) return schemaBug(keyword, value);
  return value as Readonly<Record<string, unknown>>;
}

/** The first message of several validators, asked in order. */
export function firstOf(validators: readonly Validator[]): Validator {
  const [first, second] = validators;
  if (first === undefined) return () => undefined;
  if (second === undefined) return first;
  if (validators.length === 2) return (value) => first(value) ?? second(value);
  return (value) => {
    for (const validate of validators) {
      const error = validate(value);
      if (error !== undefined) return error;
    }
    return undefined;
  };
}
