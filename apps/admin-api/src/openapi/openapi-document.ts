import type { JsonObject } from '../json-object.ts';
import type { PluginSet } from '../plugins/plugin-set.ts';
import { RESOURCE_LIST } from '../resources/resources.ts';
import { FAILURE_RESPONSES, FAILURE_SCHEMAS } from './failures.ts';
import { fixedPaths, standalonePaths, TRANSACTION_SCHEMA } from './fixed-paths.ts';
import { PARAMETERS } from './parameters.ts';
import { type ApiVersion, resourcePaths } from './resource-paths.ts';
import { writeSchemas } from './write-schemas.ts';

export interface OpenApiOptions {
  /** Undefined: the confs of plugins are objects and no more. */
  readonly plugins: PluginSet | undefined;
  readonly apiVersion: ApiVersion;
  /** Whether `apisix.proxy_mode` has streams in it. */
  readonly hasStreamMode: boolean;
  /** Only the whole configuration can be read and written. */
  readonly isStandalone: boolean;
  readonly needsKey: boolean;
}

const DESCRIPTION = `The Admin API of Apache APISIX 3.18 as Polygate serves it, with what APISIX does not
have below \`/polygate\`. Made from the schemas that writes are checked with, for the plugins that are
enabled now.

Where a string may stand, \`$secret://manager/id/key\` and \`$env://NAME\` may, too, whatever its pattern
or length. An empty list passes for an empty object and the other way round, since APISIX's language
cannot tell them apart; a client should not make use of it.

Errors are APISIX's byte for byte. \`Accept: application/problem+json\` makes every error a Problem.`;

const SECURITY_SCHEMES = {
  header: { type: 'apiKey', in: 'header', name: 'X-API-KEY' },
  query: { type: 'apiKey', in: 'query', name: 'api_key' },
  cookie: { type: 'apiKey', in: 'cookie', name: 'x_api_key' },
};

const HEADERS = {
  Revision: {
    description: 'of the store, with this write in it',
    schema: { type: 'string', pattern: '^\\d+$' },
  },
  Applied: {
    description: 'of wait=applied: how many data planes serve it',
    schema: { type: 'string', pattern: '^\\d+$' },
  },
};

/** OpenAPI 3.1 of the Admin API as it is configured now; plain data. */
export function openApiDocument(options: OpenApiOptions): JsonObject {
  const { plugins, apiVersion, hasStreamMode, isStandalone, needsKey } = options;
  const resources = isStandalone
    ? []
    : RESOURCE_LIST.filter(({ kind }) => kind !== 'stream_routes' || hasStreamMode);
  const kinds = resources.map(({ kind }) => kind);
  const paths: JsonObject = isStandalone ? standalonePaths() : fixedPaths(kinds);
  for (const resource of resources) Object.assign(paths, resourcePaths(resource, apiVersion));
  const schemas = isStandalone ? {} : { ...writeSchemas(resources, plugins), ...OWN_SCHEMAS };
  const components = {
    schemas: { ...schemas, ...FAILURE_SCHEMAS },
    responses: FAILURE_RESPONSES,
    parameters: PARAMETERS,
    headers: HEADERS,
    ...(needsKey && { securitySchemes: SECURITY_SCHEMES }),
  };
  return {
    openapi: '3.1.0',
    info: { title: 'Polygate Admin API', version: '3.18.0', description: DESCRIPTION },
    servers: [{ url: '/apisix/admin' }],
    ...(needsKey && { security: Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [] })) }),
    paths,
    components,
  };
}

const OWN_SCHEMAS = { Transaction: TRANSACTION_SCHEMA };
