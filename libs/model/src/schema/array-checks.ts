import { contentText, isEmptyTable } from '../json-value.ts';
import { shapeEmptyTable } from './type-check.ts';
import {
  firstOf,
  numberKeyword,
  schemaBug,
  type JsonSchemaObject,
  type SubschemaCompiler,
  type Validator,
} from './validator.ts';

type ListCheck = (items: unknown[]) => string | undefined;

/** minItems, maxItems, items, uniqueItems; in this order. */
export function arrayChecks(
  schema: JsonSchemaObject,
  compile: SubschemaCompiler,
): Validator | undefined {
  const checks: ListCheck[] = [];
  const min = numberKeyword(schema, 'minItems');
  if (min !== undefined) {
    checks.push((items) =>
      items.length < min ? `expect array to have at least ${min} items` : undefined,
    );
  }
  const max = numberKeyword(schema, 'maxItems');
  if (max !== undefined) {
    checks.push((items) =>
      items.length > max ? `expect array to have at most ${max} items` : undefined,
    );
  }
  if (schema['items'] !== undefined) checks.push(itemsCheck(schema, compile));
  if (schema['uniqueItems'] === true) checks.push(uniqueItemsCheck);
  if (checks.length === 0) return undefined;
  const check = firstOf(checks as Validator[]) as ListCheck;
  return (value) => {
    if (Array.isArray(value)) return check(value);
    if (typeof value !== 'object' || value === null || !isEmptyTable(value)) return undefined;
    return check([]);
  };
}

function itemsCheck(
  { items, additionalItems }: JsonSchemaObject,
  compile: SubschemaCompiler,
): ListCheck {
  if (typeof items !== 'object' || items === null) return schemaBug('items', items);
  if (Array.isArray(items)) return tupleCheck(items, additionalItems, compile);
  const validate = compile(items);
  const shape = shapeEmptyTable(items);
  return (list) => {
    for (let i = 0; i < list.length; i += 1) {
      if (shape !== undefined) list[i] = shape(list[i]);
      const error = validate(list[i]);
      if (error !== undefined) return `failed to validate item ${i + 1}: ${error}`;
    }
    return undefined;
  };
}

/** `further`: what items beyond the listed ones have to be; undefined: anything. */
function tupleCheck(
  schemas: readonly unknown[],
  further: unknown,
  compile: SubschemaCompiler,
): ListCheck {
  const validators = schemas.map(compile);
  const validateFurther = further === undefined || further === false ? undefined : compile(further);
  return (list) => {
    for (const [i, item] of list.entries()) {
      const validate = validators[i];
      if (validate === undefined && further === false)
        return 'found unexpected extra items in array';
      const error = (validate ?? validateFurther)?.(item);
      if (error === undefined) continue;
      const kind = validate === undefined ? 'additional item' : 'item';
      return `failed to validate ${kind} ${i + 1}: ${error}`;
    }
    return undefined;
  };
}

function uniqueItemsCheck(list: readonly unknown[]): string | undefined {
  const seen = new Map<unknown, number>();
  const tables: number[] = [];
  for (const [i, item] of list.entries()) {
    if (typeof item === 'object' && item !== null) {
      tables.push(i);
      continue;
    }
    const earlier = seen.get(item);
    if (earlier !== undefined) return equalItems(earlier, i);
    seen.set(item, i);
  }
  // by their texts: clients may send very many, too many to hold each against each
  const seenTables = new Map<string, number>();
  let first: readonly [number, number] | undefined;
  for (const i of tables) {
    const text = contentText(list[i]);
    const earlier = seenTables.get(text);
    if (earlier === undefined) seenTables.set(text, i);
    else if (first === undefined || earlier < first[0]) first = [earlier, i];
  }
  return first && equalItems(...first);
}

function equalItems(left: number, right: number): string {
  return `expected unique items but items ${left + 1} and ${right + 1} are equal`;
}

/** `contains`: at least one item that the schema takes. */
export function containsCheck(
  schema: JsonSchemaObject,
  compile: SubschemaCompiler,
): Validator | undefined {
  const { contains } = schema;
  if (contains === undefined) return undefined;
  if (typeof contains !== 'object' || contains === null) return schemaBug('contains', contains);
  const validate = compile(contains);
  return (value) => {
    if (typeof value !== 'object' || value === null) return undefined;
    if (isEmptyTable(value)) return 'check contains: empty array is invalid';
    if (!Array.isArray(value)) return undefined;
    const found = value.some((item) => validate(item) === undefined);
    return found ? undefined : 'failed to check contains';
  };
}
