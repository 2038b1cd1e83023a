// For plugins.
export { compilePattern, ConfigError, type Pattern } from '@polygate/model';
export type { BackgroundSources, ErrorLog, ErrorLogLine } from './background.ts';
export type { CacheZone, GatewaySettings } from './configured-definitions.ts';
export { contextKey, EXTERNAL_USER, JWT_PAYLOAD, type ContextKey } from './context-key.ts';
export type { ControlApiEndpoint, ControlApiRequest } from './control-api.ts';
export { GATEWAY_ERRORS, GatewayError } from './errors.ts';
export type { ErrorSource, GatewayErrorCode, GatewayErrorInfo } from './errors.ts';
export type {
  BreakerPolicy,
  ExternalCallPolicy,
  ExternalCalls,
  ExternalConf,
  ExternalPluginConf,
  ExternalPlugins,
} from './external-plugins.ts';
export { HeaderList, HOP_BY_HOP } from './header-list.ts';
export { LineFile, type LineFileOptions } from './line-file.ts';
export { LineFiles, lineFiles } from './line-files.ts';
export type { LocalReply, ReplySink, ReplyStream } from './local-reply.ts';
export type {
  Counter,
  Gauge,
  Histogram,
  MetricLabels,
  MetricOptions,
  MetricRegistry,
} from './metrics.ts';
export { definePlugin } from './plugin.ts';
export type {
  BodyHandler,
  CompileUpstreamOptions,
  ConfSource,
  JsonSchema,
  Plugin,
  PluginDefinition,
  PluginEnvironment,
  PluginHandlers,
  RequestHandler,
  ResponseHandler,
} from './plugin.ts';
export type { ConnectionCounts, GatewayNode, PublicApi, PublicApiSources } from './public-api.ts';
export { readableText } from './readable-text.ts';
export type {
  AnswerObserver,
  BodyObserver,
  ClientRequest,
  ClientResponse,
  ConsumerMatch,
  Logger,
  MatchedResources,
  MatchedRoute,
  Peer,
  QueryArgument,
  RequestContext,
  UpstreamAttempt,
  UpstreamHandle,
  Variables,
} from './request-context.ts';
export type { CacheEntry, SharedCache } from './shared-cache.ts';
export type { BoundedCount, QuotaCount, SharedState, WindowCount } from './shared-state.ts';

// For the services.
export { configuredDefinitions } from './configured-definitions.ts';
export { transportRisks } from './transport-risks.ts';
export { PHASES, PHASE_WIRE_NAME, type Phase } from './phase.ts';
