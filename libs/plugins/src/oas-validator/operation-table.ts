import { isObject, listOf, memberOf, type JsonObject } from './json-object.ts';
import { compilePathTemplate, isMoreSpecific, type PathTemplate } from './path-template.ts';

export type ParameterPlace = 'path' | 'query' | 'header';

/** What an OpenAPI document says of one method of one path. */
export interface Operation {
  readonly parameters: Readonly<Record<ParameterPlace, readonly JsonObject[]>>;
  /** By media type; undefined: no body is described. */
  readonly bodyContent: JsonObject | undefined;
  /** For a body whose media type says nothing. */
  readonly bodySchema: unknown;
  readonly isBodyRequired: boolean;
}

export interface OperationMatch {
  readonly operation: Operation;
  readonly pathParameters: ReadonlyMap<string, string>;
}

interface Entry {
  readonly template: PathTemplate;
  readonly operation: Operation;
}

const METHODS = new Set(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE']);

/** Finds operations by method and path. Source: lua-resty-openapi-validator, router.lua. */
export class OperationTable {
  /** By method and number of segments; the most specific first. */
  readonly #entries = new Map<string, Entry[]>();

  constructor(root: JsonObject) {
    const bases = basePaths(root['servers']);
    const paths = isObject(root['paths']) ? root['paths'] : {};
    for (const [path, item] of Object.entries(paths)) {
      if (!isObject(item)) continue;
      for (const [name, described] of Object.entries(item)) {
        const method = name.toUpperCase();
        if (!METHODS.has(method) || !isObject(described)) continue;
        const operation = operationOf(item, described);
        for (const base of bases)
          this.#add(method, { template: compilePathTemplate(base + path), operation });
      }
    }
    for (const entries of this.#entries.values()) {
      entries.sort((a, b) => isMoreSpecific(a.template, b.template));
    }
  }

  /** `path` is decoded and has no query. */
  find(method: string, path: string): OperationMatch | undefined {
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    const segments = trimmed.slice(1).split('/');
    for (const { template, operation } of this.#entries.get(keyOf(method, segments.length)) ?? []) {
      const pathParameters = template.match(segments);
      if (pathParameters !== undefined) return { operation, pathParameters };
    }
    return undefined;
  }

  *all(): Iterable<Operation> {
    for (const entries of this.#entries.values())
      for (const { operation } of entries) yield operation;
  }

  #add(method: string, entry: Entry): void {
    const key = keyOf(method, entry.template.segments.length);
    const entries = this.#entries.get(key);
    if (entries === undefined) this.#entries.set(key, [entry]);
    else entries.push(entry);
  }
}

function keyOf(method: string, segments: number): string {
  return `${method} ${segments}`;
}

/** The paths of the servers, without a slash at the end. */
function basePaths(servers: unknown): readonly string[] {
  const urls = listOf(servers).map((server) => memberOf(server, 'url'));
  const bases = urls.map((url) => {
    const path = typeof url === 'string' ? url.replace(/^https?:\/\/[^/]*/, '') : '';
    const rooted = path === '' || path.startsWith('/') ? path : `/${path}`;
    return rooted.endsWith('/') ? rooted.slice(0, -1) : rooted;
  });
  return bases.length === 0 ? [''] : [...new Set(bases)];
}

function operationOf(item: JsonObject, described: JsonObject): Operation {
  const byName = new Map<string, JsonObject>();
  for (const parameter of [...listOf(item['parameters']), ...listOf(described['parameters'])]) {
    // those of the operation take the place of the path's
    if (isObject(parameter))
      byName.set(`${String(parameter['name'])}:${String(parameter['in'])}`, parameter);
  }
  const all = [...byName.values()].filter(({ name }) => typeof name === 'string');
  const at = (place: ParameterPlace) => all.filter((parameter) => parameter['in'] === place);
  const body = described['requestBody'];
  const content = memberOf(body, 'content');
  const bodyContent = isObject(content) ? content : undefined;
  return {
    parameters: { path: at('path'), query: at('query'), header: at('header') },
    bodyContent,
    bodySchema: bodyContent && primarySchema(bodyContent),
    isBodyRequired: memberOf(body, 'required') === true,
  };
}

/** JSON's, or else that of the first media type. */
function primarySchema(content: JsonObject): unknown {
  const names = Object.keys(content);
  const isLikely = (name: string) => name === '*/*' || name.toLowerCase().includes('json');
  const chosen =
    names.find((name) => name === 'application/json') ?? names.find(isLikely) ?? names[0];
  return chosen === undefined ? undefined : memberOf(content[chosen], 'schema');
}
