import { cloneJson, isEmptyTable, type JsonObject } from '../json-value.ts';
import { compilePattern, type Pattern } from '../pattern/compile-pattern.ts';
import { shapeEmptyTable } from './type-check.ts';
import {
  listKeyword,
  mapKeyword,
  numberKeyword,
  schemaBug,
  type JsonSchemaObject,
  type SubschemaCompiler,
  type Validator,
} from './validator.ts';

type ObjectCheck = (object: JsonObject) => string | undefined;

const KEYWORDS = [
  'properties',
  'additionalProperties',
  'patternProperties',
  'minProperties',
  'maxProperties',
  'dependencies',
  'required',
  'propertyNames',
];

/**
 * Properties in the order of the schema (each: its value, its dependency, required, default), then
 * the other required names, the other dependencies, the names the schema does not list, the count.
 */
export function objectChecks(
  schema: JsonSchemaObject,
  compile: SubschemaCompiler,
): Validator | undefined {
  if (KEYWORDS.every((keyword) => schema[keyword] === undefined)) return undefined;
  const checks: ObjectCheck[] = [
    ...propertyChecks(schema, compile),
    ...requiredChecks(schema),
    ...dependencyChecks(schema, compile),
    ...otherPropertiesChecks(schema, compile),
    ...countChecks(schema),
    ...nameChecks(schema, compile),
  ];
  const mustBeEmpty = listKeyword(schema, 'required')?.length === 0;
  return (value) => {
    const isTable = typeof value === 'object' && value !== null;
    if (isTable && (!Array.isArray(value) || value.length === 0)) {
      for (const check of checks) {
        const error = check(value as JsonObject);
        if (error !== undefined) return error;
      }
    }
    if (!mustBeEmpty || (isTable && isEmptyTable(value))) return undefined;
    return 'the input data should be an empty table';
  };
}

function requiredNames(schema: JsonSchemaObject): ReadonlySet<string> {
  return new Set((listKeyword(schema, 'required') ?? []).map(String));
}

// An inherited member, as `constructor`, is not a property of the configuration.
function read(object: Readonly<JsonObject>, name: string): unknown {
  const value = object[name];
  if (value === undefined || Object.hasOwn(object, name)) return value;
  return undefined;
}

function propertyChecks(schema: JsonSchemaObject, compile: SubschemaCompiler): ObjectCheck[] {
  const properties = mapKeyword(schema, 'properties') ?? {};
  const required = requiredNames(schema);
  const dependencies = mapKeyword(schema, 'dependencies') ?? {};
  return Object.entries(properties).map(([name, subschema]) => {
    const validate = compile(subschema);
    const shape = shapeEmptyTable(subschema);
    const dependency = dependencyCheck(name, read(dependencies, name), compile);
    const makeDefault = defaultMaker(subschema);
    const missing = required.has(name) ? `property "${name}" is required` : undefined;
    const prefix = `property "${name}" validation failed: `;
    return (object) => {
      let value = read(object, name);
      if (value === undefined) {
        if (missing !== undefined) return missing;
        if (makeDefault !== undefined) object[name] = makeDefault();
        return undefined;
      }
      if (shape !== undefined && shape(value) !== value) {
        value = shape(value);
        object[name] = value;
      }
      const error = validate(value);
      if (error !== undefined) return prefix + error;
      return dependency?.(object);
    };
  });
}

function defaultMaker(subschema: unknown): (() => unknown) | undefined {
  const value = (subschema as JsonSchemaObject | null | undefined)?.['default'];
  if (value === undefined || value === null) return undefined;
  return typeof value === 'object' ? () => cloneJson(value) : () => value;
}

function requiredChecks(schema: JsonSchemaObject): ObjectCheck[] {
  const properties = mapKeyword(schema, 'properties') ?? {};
  return [...requiredNames(schema)]
    .filter((name) => !Object.hasOwn(properties, name))
    .map((name) => {
      const message = `property "${name}" is required`;
      return (object) => (read(object, name) === undefined ? message : undefined);
    });
}

function dependencyChecks(schema: JsonSchemaObject, compile: SubschemaCompiler): ObjectCheck[] {
  const properties = mapKeyword(schema, 'properties') ?? {};
  const dependencies = mapKeyword(schema, 'dependencies') ?? {};
  return Object.entries(dependencies)
    .filter(([name]) => !Object.hasOwn(properties, name))
    .map(([name, dependency]) => {
      const check = dependencyCheck(name, dependency, compile);
      return (object) => (read(object, name) === undefined ? undefined : check?.(object));
    });
}

function dependencyCheck(
  name: string,
  dependency: unknown,
  compile: SubschemaCompiler,
): ObjectCheck | undefined {
  if (dependency === undefined) return undefined;
  if (Array.isArray(dependency)) {
    return (object) => {
      const absent = dependency.find((other) => read(object, String(other)) === undefined) as
        string | undefined;
      if (absent === undefined) return undefined;
      return `property "${absent}" is required when "${name}" is set`;
    };
  }
  const validate = compile(dependency);
  return (object) => {
    const error = validate(object);
    if (error === undefined) return undefined;
    return `failed to validate dependent schema for "${name}": ${error}`;
  };
}

interface PatternProperty {
  readonly source: string;
  readonly pattern: Pattern;
  readonly validate: Validator;
  readonly shape: ((value: unknown) => unknown) | undefined;
}

/** patternProperties and additionalProperties, which APISIX checks in one walk. */
function otherPropertiesChecks(
  schema: JsonSchemaObject,
  compile: SubschemaCompiler,
): ObjectCheck[] {
  const patterns = patternProperties(schema, compile);
  const { additionalProperties } = schema;
  const open = additionalProperties === undefined || additionalProperties === true;
  if (open && patterns.length === 0) return [];
  const listed = new Set(Object.keys(mapKeyword(schema, 'properties') ?? {}));
  const additional = open ? undefined : additionalCheck(additionalProperties, compile);
  return [
    (object) => {
      for (const name of Object.keys(object)) {
        let matched = listed.has(name);
        for (const candidate of patterns) {
          if (!matchesName(candidate.pattern, name)) continue;
          matched = true;
          const error = checkMember(object, name, candidate);
          if (error === undefined) continue;
          return `failed to validate ${name} (matching "${candidate.source}"): ${error}`;
        }
        const error = matched ? undefined : additional?.(object, name);
        if (error !== undefined) return error;
      }
      return undefined;
    },
  ];
}

function patternProperties(
  schema: JsonSchemaObject,
  compile: SubschemaCompiler,
): readonly PatternProperty[] {
  const entries = Object.entries(mapKeyword(schema, 'patternProperties') ?? {});
  return entries.map(([source, subschema]) => ({
    source,
    pattern: compilePattern(source),
    validate: compile(subschema),
    shape: shapeEmptyTable(subschema),
  }));
}

// `.*` takes every name; and a name too long to be tested in bounded time is checked, not skipped.
function matchesName(pattern: Pattern, name: string): boolean {
  return pattern.source === '.*' || name.length > pattern.subjectCharsMax || pattern.test(name);
}

function checkMember(
  object: JsonObject,
  name: string,
  rule: Pick<PatternProperty, 'validate' | 'shape'>,
): string | undefined {
  const value = object[name];
  const shaped = rule.shape === undefined ? value : rule.shape(value);
  if (shaped !== value) object[name] = shaped;
  return rule.validate(shaped);
}

function additionalCheck(
  subschema: unknown,
  compile: SubschemaCompiler,
): (object: JsonObject, name: string) => string | undefined {
  if (subschema === false) {
    return (_object, name) => `additional properties forbidden, found ${name}`;
  }
  if (typeof subschema !== 'object' || subschema === null) {
    return schemaBug('additionalProperties', subschema);
  }
  const rule = { validate: compile(subschema), shape: shapeEmptyTable(subschema) };
  return (object, name) => {
    const error = checkMember(object, name, rule);
    if (error === undefined) return undefined;
    return `failed to validate additional property ${name}: ${error}`;
  };
}

function nameChecks(
  { propertyNames }: JsonSchemaObject,
  compile: SubschemaCompiler,
): ObjectCheck[] {
  if (propertyNames === undefined) return [];
  const validate = compile(propertyNames);
  return [
    (object) => {
      for (const name of Object.keys(object)) {
        const error = validate(name);
        if (error !== undefined) return `failed to validate property name "${name}": ${error}`;
      }
      return undefined;
    },
  ];
}

function countChecks(schema: JsonSchemaObject): ObjectCheck[] {
  const min = numberKeyword(schema, 'minProperties');
  const max = numberKeyword(schema, 'maxProperties');
  if (min === undefined && max === undefined) return [];
  return [
    (object) => {
      const count = Object.keys(object).length;
      if (min !== undefined && count < min) {
        return `expect object to have at least ${min} properties`;
      }
      if (max === undefined || count <= max) return undefined;
      return `expect object to have at most ${max} properties`;
    },
  ];
}
