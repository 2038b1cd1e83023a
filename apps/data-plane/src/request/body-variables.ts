import type { ExpressionValue } from '@polygate/model';
import type { Logger } from '@polygate/plugin-sdk';
import { parseGraphqlRequest } from './graphql-request.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import { compileJsonPath } from './json-path.ts';
import type { JsonPath } from './json-path.ts';
import { parseMultipart } from './multipart.ts';
import { parseQuery } from './query.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const MULTIPART = 'multipart/form-data';

/** Bytes that are parsed for a variable's sake. */
export interface BodyVariableLimits {
  /** `graphql.max_size`. */
  readonly graphqlBytesMax: number;
  /** `apisix.max_post_args_readable_size`. Infinity: no limit. */
  readonly postArgsBytesMax: number;
}

export const DEFAULT_BODY_LIMITS: BodyVariableLimits = {
  graphqlBytesMax: 1024 * 1024,
  postArgsBytesMax: 64 * 1024 * 1024,
};

/** What the variables of a body are made of. */
export interface VariableSource {
  readonly method: string;
  readonly contentType: string | undefined;
  /** `query` of the arguments. */
  readonly graphqlArgument: () => string | undefined;
  /** Undefined where there is none, or it has not come. */
  readonly body: Buffer | undefined;
  readonly limits: BodyVariableLimits;
  readonly log: Logger;
}

type Json = string | number | boolean | object | null;

/**
 * `post_arg_<name>`, `post_arg.<path>`, `graphql_<name>`: parsed once for each body, and what is
 * wrong with it is logged once. Sources: apisix/core/ctx.lua, core/request.lua.
 */
export class BodyVariables {
  readonly source: VariableSource;
  #form: ReadonlyMap<string, string | true> | undefined;
  #table: { readonly value: object | undefined } | undefined;
  #graphql: { readonly request: GraphqlRequest | undefined } | undefined;

  constructor(source: VariableSource) {
    this.source = source;
  }

  /** Of a form only, the first one of its name. */
  formArgument(name: string): ExpressionValue {
    return this.source.contentType?.startsWith(FORM) === true
      ? this.#formArguments().get(name)
      : undefined;
  }

  /** A dotted path goes through members; with `[`, `*` or `..` it is a JSONPath and finds a list. */
  postArgument(path: string): ExpressionValue {
    const table = this.#parsedBody(path);
    if (table === undefined) return undefined;
    if (!/[[*]|\.\./.test(path)) return expressionValue(memberAt(table, path));
    const found = pathOf(path)?.(table);
    return found === undefined || found.length === 0 ? undefined : found;
  }

  graphql(name: string): ExpressionValue {
    const request = this.#graphqlRequest();
    switch (name) {
      case 'name':
        return request?.name;
      case 'operation':
        return request?.operation;
      case 'root_fields':
        return request?.rootFields;
      default:
        return undefined;
    }
  }

  #formArguments(): ReadonlyMap<string, string | true> {
    if (this.#form !== undefined) return this.#form;
    const form = new Map<string, string | true>();
    const text = this.source.body?.toString() ?? '';
    for (const { name, value } of parseQuery(text)) {
      if (!form.has(name)) form.set(name, value ?? true);
    }
    this.#form = form;
    return form;
  }

  #parsedBody(path: string): object | undefined {
    if (this.#table === undefined) {
      try {
        this.#table = { value: this.#parseTable() };
      } catch (error) {
        this.#table = { value: undefined };
        const why = error instanceof Error ? error.message : String(error);
        const { log } = this.source;
        log.warn(`failed to fetch post args value by key: ${path} error: ${why}`);
      }
    }
    return this.#table.value;
  }

  #parseTable(): object {
    const { body, contentType = '', limits } = this.source;
    const isJson = contentType.includes(JSON_TYPE);
    if (!isJson && contentType.includes(FORM)) return Object.fromEntries(this.#formArguments());
    if (!isJson && !contentType.includes(MULTIPART)) {
      throw new Error(
        `unsupported content-type: ${contentType.slice(0, 100)}, ` +
          `supported types are: ${JSON_TYPE}, ${FORM}, ${MULTIPART}`,
      );
    }
    if (body === undefined || body.length === 0) {
      throw new Error('could not get body: request body is empty');
    }
    checkSize(body, limits.postArgsBytesMax);
    const parsed = isJson ? parseJson(body) : parseMultipart(body, contentType);
    if (parsed instanceof Map) return Object.fromEntries(parsed as Map<string, string>);
    if (typeof parsed === 'object' && parsed !== null) return parsed;
    throw new Error(isJson ? 'no JSON object' : 'failed to parse multipart form data');
  }

  #graphqlRequest(): GraphqlRequest | undefined {
    if (this.#graphql !== undefined) return this.#graphql.request;
    const { log } = this.source;
    try {
      const request = parseGraphqlRequest(this.#graphqlText());
      this.#graphql = { request };
      if (request.definitions > 1) {
        log.warn('Multiple operations are not supported. Only the first one is handled');
      }
    } catch (error) {
      this.#graphql = { request: undefined };
      log.error(error instanceof Error ? error.message : String(error));
    }
    return this.#graphql.request;
  }

  #graphqlText(): string {
    const { method, body, contentType, limits } = this.source;
    const failed = (why: string): Error => new Error(`failed to read graphql data, ${why}`);
    if (method === 'GET') {
      const text = this.source.graphqlArgument();
      if (text === undefined) throw failed('args[query] is nil');
      return text;
    }
    if (method !== 'POST') throw new Error(`graphql not support \`${method}\` request`);
    if (body === undefined || body.length === 0) throw failed('request body has zero size');
    checkSize(body, limits.graphqlBytesMax);
    if (contentType !== JSON_TYPE) return body.toString();
    const query = (parseJson(body) as { query?: unknown } | null)?.query;
    if (typeof query !== 'string') throw failed('json body[query] is nil');
    return query;
  }
}

function checkSize(body: Buffer, bytesMax: number): void {
  if (body.length <= bytesMax) return;
  throw new Error(
    `request size ${body.length} is greater than the maximum size ${bytesMax} allowed`,
  );
}

function parseJson(body: Buffer): Json {
  try {
    return JSON.parse(body.toString()) as Json;
  } catch (error) {
    throw new Error('could not parse JSON request body', { cause: error });
  }
}

function memberAt(value: unknown, path: string): unknown {
  let current = value;
  for (const name of path.split('.')) {
    if (typeof current !== 'object' || current === null) return undefined;
    if (!Object.hasOwn(current, name)) return undefined;
    current = (current as Record<string, unknown>)[name];
  }
  return current;
}

function expressionValue(value: unknown): ExpressionValue {
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return undefined;
  return value as ExpressionValue;
}

/** Paths come out of the configuration, which may change without end. */
const PATHS_MAX = 1000;
const paths = new Map<string, JsonPath | undefined>();

function pathOf(path: string): JsonPath | undefined {
  if (paths.has(path)) return paths.get(path);
  const compiled = compileJsonPath(path);
  if (paths.size < PATHS_MAX) paths.set(path, compiled);
  return compiled;
}
