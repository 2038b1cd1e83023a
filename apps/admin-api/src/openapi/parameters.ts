import { ID_SCHEMA, RESOURCE_KINDS, SECRET_MANAGER_SCHEMAS } from '@polygate/model';
import type { JsonObject } from '../json-object.ts';
import { TTL_SECONDS_MAX } from '../resource-handler.ts';
import { SCHEMA_NAMES } from '../schemas.ts';

const [TEXT_ID] = ID_SCHEMA.anyOf;
const inPath = (name: string, description: string, schema: JsonObject = TEXT_ID): JsonObject => ({
  name,
  in: 'path',
  required: true,
  description,
  schema,
});
const inQuery = (name: string, description: string, schema: JsonObject): JsonObject => ({
  name,
  in: 'query',
  description,
  schema,
});
/** Up to a minute, in the units of await-applied.ts. */
const TIMEOUT_PATTERN = '^(([1-9]|[1-5]\\d|60)s?|([1-9]\\d{0,3}|[1-5]\\d{4}|60000)ms|1m)$';
const FLAG = { type: 'string', enum: ['true', 'false'], default: 'false' };
const TEXT = { type: 'string' };
const SUBSYSTEM = { type: 'string', enum: ['http', 'stream'], default: 'http' };
const NAME = { type: 'string', pattern: '^[\\w.-]{1,256}$' };

/** `components/parameters`, by the name that operations refer to them with. */
export const PARAMETERS = {
  id: inPath('id', 'of the object'),
  username: inPath('username', 'of the consumer', {
    type: 'string',
    pattern: '^[a-zA-Z0-9_\\-]{1,256}$',
  }),
  serviceId: inPath('service_id', 'of the service'),
  pluginName: inPath('plugin_name', 'of the plugin', NAME),
  manager: inPath('manager', 'of secrets', {
    type: 'string',
    enum: [...SECRET_MANAGER_SCHEMAS.keys()],
  }),
  subPath: inPath('sub_path', 'to a field of the object; may have more slashes in it', NAME),
  kind: inPath('resource', 'a collection', { type: 'string', enum: [...RESOURCE_KINDS] }),
  schemaName: inPath('name', 'of a kind of object', {
    type: 'string',
    enum: [...SCHEMA_NAMES],
  }),
  runner: inPath('runner', 'its name; default: that of ext-plugin.cmd', {
    type: 'string',
    minLength: 1,
    maxLength: 256,
  }),
  revision: inPath('revision', 'of the store', { type: 'integer', minimum: 1 }),
  ttl: inQuery('ttl', 'seconds until the object disappears', {
    type: 'number',
    exclusiveMinimum: 0,
    maximum: TTL_SECONDS_MAX,
  }),
  force: inQuery('force', 'true: delete it although others use it', FLAG),
  forceRollback: inQuery('force', 'true: also what the rules of today forbid', FLAG),
  dryRun: inQuery('dry_run', 'true: only show what would change', FLAG),
  wait: inQuery('wait', 'answer when all connected data planes serve the write', {
    type: 'string',
    enum: ['applied'],
  }),
  timeout: inQuery('timeout', 'of wait: 5s, 500ms, 1m; at most 60s', {
    type: 'string',
    pattern: TIMEOUT_PATTERN,
    default: '5s',
  }),
  page: inQuery('page', 'from 1; counts with page_size only', { type: 'integer', minimum: 1 }),
  pageSize: inQuery('page_size', 'counts with page only', {
    type: 'integer',
    minimum: 10,
    maximum: 500,
  }),
  nameFilter: inQuery('name', 'a pattern that the name has to match', TEXT),
  uriFilter: inQuery('uri', 'a pattern that uri or one of uris has to match', TEXT),
  labelFilter: inQuery('label', 'a key that the labels have to have', TEXT),
  filter: inQuery('filter', 'field=value pairs, encoded as a query', TEXT),
  subsystem: inQuery('subsystem', 'whose plugins', SUBSYSTEM),
  allPlugins: inQuery('all', 'true: everything of all plugins', FLAG),
  schemaType: inQuery('schema_type', 'consumer: the schema for consumers', {
    type: 'string',
    examples: ['consumer'],
  }),
  key: inQuery('key', 'of one object, as /routes/1', {
    type: 'string',
    pattern: '^(?:\\/[\\w.\\-]{1,256}){2,5}$',
  }),
  limit: inQuery('limit', 'how many revisions', {
    type: 'integer',
    minimum: 1,
    maximum: 500,
    default: 50,
  }),
  before: inQuery('before', 'next_before of the page before', { type: 'integer', minimum: 1 }),
  withPlugins: inQuery('plugins', 'false: leave the schemas of plugins out', {
    ...FLAG,
    default: 'true',
  }),
  digest: {
    name: 'X-Digest',
    in: 'header',
    required: true,
    description: 'of the document, as the client sees fit; the same again changes nothing',
    schema: { type: 'string', minLength: 1, pattern: '^[\\x21-\\x7e]+$' },
  },
} as const satisfies Readonly<Record<string, JsonObject>>;

export type ParameterName = keyof typeof PARAMETERS;

export function refer(names: readonly ParameterName[]): JsonObject[] {
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}
