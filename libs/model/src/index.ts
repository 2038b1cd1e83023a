export { isCidr, isIpAddress, parseIpBytes } from './address/ip-address.ts';
export { IpSet } from './address/ip-set.ts';
export { decryptFields, encryptFields } from './encryption/field-encryption.ts';
export {
  decryptPluginConfs,
  decryptResource,
  encryptResource,
  type DataEncryption,
  type DecryptedResource,
  type EncryptionOptions,
} from './encryption/resource-encryption.ts';
export {
  decryptPrivateKey,
  decryptText,
  encryptPrivateKey,
  encryptText,
  type Keyring,
} from './encryption/text-encryption.ts';
export { ConfigError, PatternSubjectError } from './errors.ts';
export {
  compileExpression,
  validateExpression,
  type Expression,
  type ExpressionVars,
} from './expression/compile-expression.ts';
export type { ExpressionValue } from './expression/operators.ts';
export {
  GOOGLE_TOKEN_URI,
  googleGrant,
  readGoogleToken,
  type GoogleAccount,
  type GoogleToken,
} from './google-grant.ts';
export { cloneJson, freeze } from './json-value.ts';
export { luaNumber, luaToNumber } from './lua-text.ts';
export { compilePattern, type Pattern, type PatternOptions } from './pattern/compile-pattern.ts';
export { loadProto, type LoadedProto } from './resources/checks/check-proto.ts';
export type { PluginCheckOptions, PluginSchemas } from './resources/checks/check-plugins.ts';
export { RESOURCE_KINDS, RESOURCE_SINGULAR, type ResourceKind } from './resources/kinds.ts';
export { PLUGIN_META_SCHEMA, withPluginMeta } from './resources/plugin-meta.schema.ts';
export { resourceSchema } from './resources/resource-schema.ts';
export { SECRET_MANAGER_SCHEMAS } from './resources/secrets.schema.ts';
export type {
  ConsumerResource,
  CredentialResource,
  GraphqlCostDecorationResource,
  Labels,
  PluginConf,
  PluginConfs,
  PluginHolderResource,
  PluginMeta,
  ProtoResource,
  ResourceId,
  ResourceTypes,
  RouteResource,
  ServiceResource,
  SslResource,
  StreamRouteResource,
  Timeout,
  UpstreamNode,
  UpstreamResource,
} from './resources/resource-types.ts';
export { HEALTH_CHECK_SCHEMA } from './resources/health-check.schema.ts';
export {
  ANONYMOUS_CONSUMER_SCHEMA,
  HOST_SCHEMA,
  ID_SCHEMA,
  IP_SCHEMAS,
  LABEL_VALUE_SCHEMA,
  METHOD_SCHEMA,
  URI_SCHEMA,
  realmSchema,
} from './resources/schema-parts.ts';
export { CHASH_KEY_SCHEMAS, UPSTREAM_SCHEMA } from './resources/upstreams.schema.ts';
export { streamPlugins, type StreamPlugin } from './resources/checks/stream-plugins.ts';
export {
  validateResource,
  type ValidatedResource,
  type ValidateOptions,
} from './resources/validate-resource.ts';
export { compileSchema, dataValidator, isSecretReference } from './schema/compile-schema.ts';
export type { JsonSchemaObject, Validator } from './schema/validator.ts';
