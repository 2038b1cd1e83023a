import { ConfigError, dataValidator, PatternSubjectError, type Validator } from '@polygate/model';
import { DocumentError } from './document-error.ts';
import { isObject, memberOf, type JsonObject } from './json-object.ts';
import { isDeeper, readDocument, type OpenApiDocument } from './openapi-document.ts';
import { OperationTable } from './operation-table.ts';
import type { Operation, ParameterPlace } from './operation-table.ts';
import { parameterValue, styleOf, type RawValues } from './parameter-value.ts';
import { declaredType, readBody, schemaFor } from './request-body.ts';

/** What is checked of a request. What is undefined is passed over. */
export interface RequestParts {
  readonly method: string;
  /** Decoded. */
  readonly path: string;
  readonly checksPath: boolean;
  readonly query: RawValues | undefined;
  /** Names in lower case. */
  readonly headers: RawValues | undefined;
  readonly contentType: string | undefined;
  readonly body: { readonly text: string } | undefined;
}

const VALUE_DEPTH_MAX = 1000;

/**
 * Checks requests against an OpenAPI document. Source: lua-resty-openapi-validator, where values are not
 * checked against a schema that cannot be compiled; here it makes the document unusable.
 */
export class OpenApiValidator {
  readonly #document: OpenApiDocument;
  readonly #operations: OperationTable;

  /** Throws a DocumentError. */
  constructor(text: string) {
    this.#document = readDocument(text);
    this.#operations = new OperationTable(this.#document.root);
    compileAll(this.#operations);
  }

  /** What is wrong with a request, a line each; undefined: nothing. */
  problemOf(request: RequestParts): string | undefined {
    const { method, path, query, headers, checksPath, body } = request;
    const match = this.#operations.find(method, path);
    if (match === undefined) return `no matching operation found for ${method} ${path}`;
    const { operation, pathParameters } = match;
    const { parameters } = operation;
    const problems = [
      ...(checksPath ? parameterProblems('path', parameters.path, pathParameters) : []),
      ...(query === undefined ? [] : parameterProblems('query', parameters.query, query)),
      ...(headers === undefined ? [] : parameterProblems('header', parameters.header, headers)),
      ...(body === undefined ? [] : this.#bodyProblems(operation, body.text, request.contentType)),
    ];
    return problems.length === 0 ? undefined : problems.join('\n');
  }

  #bodyProblems(
    { bodyContent: content, bodySchema, isBodyRequired }: Operation,
    text: string,
    contentType: string | undefined,
  ): readonly string[] {
    if (text === '') return isBodyRequired ? ['body: request body is required'] : [];
    if (content === undefined) return [];
    if (contentType !== undefined && declaredType(content, contentType) === undefined) {
      return [`body: content type ${contentType} is not declared in the spec`];
    }
    const schema = schemaFor(content, contentType, bodySchema);
    if (schema === undefined) return [];
    const read = readBody(text, contentType, schema, this.#document.referenceNames);
    if (read === undefined) return [];
    if (typeof read === 'string') return [`body: ${read}`];
    const problem = problemWith(read.value, dataValidator(read.schema));
    return problem === undefined ? read.problems : [...read.problems, `body: ${problem}`];
  }
}

/** A schema that is wrong shows now, not in the middle of a request. */
function compileAll(operations: OperationTable): void {
  for (const { parameters, bodyContent } of operations.all()) {
    const all = Object.values(parameters).flat();
    const schemas = all.map(schemaOf);
    for (const media of Object.values(bodyContent ?? {})) schemas.push(memberOf(media, 'schema'));
    for (const schema of schemas) if (schema !== undefined) compileSchema(schema);
  }
}

function compileSchema(schema: unknown): void {
  try {
    dataValidator(schema);
  } catch (cause) {
    if (!(cause instanceof TypeError) && !(cause instanceof ConfigError)) throw cause;
    throw new DocumentError(cause.message, { cause });
  }
}

function parameterProblems(
  place: ParameterPlace,
  parameters: readonly JsonObject[],
  values: RawValues,
): readonly string[] {
  return parameters.flatMap((parameter) => {
    const name = String(parameter['name']);
    const problem = parameterProblem(place, parameter, values);
    return problem === undefined ? [] : [`${place} parameter '${name}': ${problem}`];
  });
}

function parameterProblem(
  place: ParameterPlace,
  parameter: JsonObject,
  values: RawValues,
): string | undefined {
  const name = String(parameter['name']);
  const raw = values.get(place === 'header' ? name.toLowerCase() : name);
  const isDeep = place === 'query' && styleOf(parameter) === 'deepObject';
  const isMissing = isDeep ? !hasMembers(values, name) : raw === undefined || raw === '';
  if (isMissing && parameter['required'] === true) return 'required parameter is missing';
  if (raw === undefined && !isDeep) return undefined;
  const schema = schemaOf(parameter);
  if (schema === undefined) return undefined;
  const value = parameterValue(raw ?? '', parameter, values);
  if (value === undefined) return undefined;
  return problemWith(value, dataValidator(schema));
}

function hasMembers(values: RawValues, name: string): boolean {
  for (const key of values.keys()) if (key.startsWith(`${name}[`)) return true;
  return false;
}

function schemaOf({ schema, content }: JsonObject): unknown {
  return isObject(schema) ? schema : memberOf(memberOf(content, 'application/json'), 'schema');
}

function problemWith(value: unknown, validate: Validator): string | undefined {
  if (isDeeper(value, VALUE_DEPTH_MAX)) return 'found too many nested data structures';
  try {
    return validate(value);
  } catch (error) {
    // a text too long for a pattern, or a schema that contains itself where it gets no further
    if (error instanceof PatternSubjectError || error instanceof RangeError) return error.message;
    throw error;
  }
}
