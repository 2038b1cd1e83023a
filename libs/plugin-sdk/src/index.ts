// For plugins.
export { contextKey, JWT_PAYLOAD, type ContextKey } from './context-key.ts';
export { GATEWAY_ERRORS, GatewayError } from './errors.ts';
export type { ErrorSource, GatewayErrorCode, GatewayErrorInfo } from './errors.ts';
export type { ExternalConf, ExternalPluginConf, ExternalPlugins } from './external-plugins.ts';
export { HeaderList } from './header-list.ts';
export { LineFile, type LineFileOptions } from './line-file.ts';
export { LineFiles, lineFiles } from './line-files.ts';
export type { LocalReply } from './local-reply.ts';
export type { Counter, Gauge, Histogram, MetricLabels, MetricRegistry } from './metrics.ts';
export { definePlugin } from './plugin.ts';
export type {
  BodyHandler,
  ConfSource,
  JsonSchema,
  Plugin,
  PluginDefinition,
  PluginEnvironment,
  PluginHandlers,
  RequestHandler,
  ResponseHandler,
} from './plugin.ts';
export type { PublicApi } from './public-api.ts';
export { readableText } from './readable-text.ts';
export type {
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
export type { SharedState, WindowCount } from './shared-state.ts';

// For the data plane.
export { PHASES, PHASE_WIRE_NAME, type Phase } from './phase.ts';
