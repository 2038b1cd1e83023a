import type { JsonSchemaObject } from '../schema/validator.ts';
import { CONSUMER_SCHEMA } from './consumers.schema.ts';
import { CREDENTIAL_SCHEMA } from './credentials.schema.ts';
import { GRAPHQL_COST_DECORATION_SCHEMA } from './graphql-cost-decorations.schema.ts';
import type { ResourceKind } from './kinds.ts';
import {
  CONSUMER_GROUP_SCHEMA,
  GLOBAL_RULE_SCHEMA,
  PLUGIN_CONFIG_SCHEMA,
} from './plugin-holders.schema.ts';
import { PLUGIN_METADATA_SCHEMA } from './plugin-metadata.schema.ts';
import { PROTO_SCHEMA } from './protos.schema.ts';
import { ROUTE_SCHEMA } from './routes.schema.ts';
import { SECRET_SCHEMA } from './secrets.schema.ts';
import { SERVICE_SCHEMA } from './services.schema.ts';
import { SSL_SCHEMA } from './ssls.schema.ts';
import { STREAM_ROUTE_SCHEMA } from './stream-routes.schema.ts';
import { UPSTREAM_SCHEMA } from './upstreams.schema.ts';

const SCHEMAS: Readonly<Record<ResourceKind, JsonSchemaObject>> = {
  routes: ROUTE_SCHEMA,
  services: SERVICE_SCHEMA,
  upstreams: UPSTREAM_SCHEMA,
  consumers: CONSUMER_SCHEMA,
  consumer_groups: CONSUMER_GROUP_SCHEMA,
  plugin_configs: PLUGIN_CONFIG_SCHEMA,
  global_rules: GLOBAL_RULE_SCHEMA,
  plugin_metadata: PLUGIN_METADATA_SCHEMA,
  credentials: CREDENTIAL_SCHEMA,
  ssls: SSL_SCHEMA,
  protos: PROTO_SCHEMA,
  secrets: SECRET_SCHEMA,
  stream_routes: STREAM_ROUTE_SCHEMA,
  graphql_cost_decorations: GRAPHQL_COST_DECORATION_SCHEMA,
};

/**
 * The JSON Schema of a kind as plain data, for the Admin API to serve. plugin_metadata: what holds
 * for a plugin without a metadata schema of its own; secrets: what holds for every manager.
 * Sources: apisix/schema_def.lua.
 */
export function resourceSchema(kind: ResourceKind): JsonSchemaObject {
  return SCHEMAS[kind];
}
