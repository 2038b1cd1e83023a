import { readJson } from '../json-problem.ts';
import { DocumentError } from './document-error.ts';
import { isObject, type JsonObject } from './json-object.ts';
import { normalizeSchemas, type OpenApiVersion } from './normalize-schemas.ts';
import { resolveReferences, type ReferenceNames } from './resolve-references.ts';

export interface OpenApiDocument {
  /** References are replaced by what they name, so objects may contain themselves. */
  readonly root: JsonObject;
  readonly referenceNames: ReferenceNames;
}

/** As deep as cjson reads. */
const DEPTH_MAX = 1000;

/**
 * Reads a document of OpenAPI 3.0 or 3.1 in JSON. Its schemas come out as draft 7, without references.
 * Throws a DocumentError. Source: lua-resty-openapi-validator, loader.lua, refs.lua, normalize.lua.
 */
export function readDocument(text: string): OpenApiDocument {
  const root = parse(text);
  if (!isObject(root)) throw new DocumentError('failed to parse spec: no JSON object');
  if (isDeeper(root, DEPTH_MAX)) throw new DocumentError('failed to parse spec: too deep');
  const version = versionOf(root);
  const referenceNames = resolveReferences(root);
  normalizeSchemas(root, version);
  return { root, referenceNames };
}

function parse(text: string): unknown {
  const read = readJson(text);
  if (read.problem === undefined) return read.value;
  throw new DocumentError(`failed to parse spec: invalid JSON: ${read.problem}`);
}

function versionOf({ openapi }: JsonObject): OpenApiVersion {
  if (typeof openapi !== 'string') throw new DocumentError("missing or invalid 'openapi' field");
  if (openapi.startsWith('3.0')) return '3.0';
  if (openapi.startsWith('3.1')) return '3.1';
  throw new DocumentError(`unsupported OpenAPI version: ${openapi}`);
}

/** Whether a value that does not contain itself nests deeper than `depth`. */
export function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((one) => isDeeper(one, depth - 1));
}
