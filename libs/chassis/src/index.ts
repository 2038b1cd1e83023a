export { CommandLineError, readCommandLine, usage } from './command-line.ts';
export type { CommandLine } from './command-line.ts';
export { ConfigFileError } from './config/config-file-error.ts';
export type {
  ConsulDiscoveryConfig,
  DiscoveryConfig,
  DnsDiscoveryConfig,
  DnsRecordType,
  EurekaDiscoveryConfig,
  KubernetesDiscoveryConfig,
  NacosDiscoveryConfig,
  RegistryEndpoint,
} from './config/discovery-config.ts';
export { parseDebugFile } from './config/debug-file.ts';
export type { DebugSettings } from './config/debug-file.ts';
export type {
  AccessLogConfig,
  AddressTlsConfig,
  AdminConfig,
  AdminKey,
  ConfigProvider,
  EtcdConfig,
  EtcdTlsConfig,
  GatewayConfig,
  HttpConfig,
  HttpRouter,
  LimitsConfig,
  ListenAddress,
  ListenTlsConfig,
  LogLevel,
  NodeListen,
  PluginAttr,
  PluginList,
  PolygateConfig,
  RunnerCommand,
  RunnerConfig,
  RunnerManagerConfig,
  RunnerSocket,
  ServiceAddress,
  SslConfig,
  TelemetryConfig,
  TlsProtocol,
  UpstreamKeepaliveConfig,
  PluginSettings,
} from './config/gateway-config.ts';
export { loadConfig, reloadPluginList } from './config/load-config.ts';
export { listenOn } from './listen-on.ts';
export { HealthState, startHealthServer } from './health-server.ts';
export type { HealthServer, HealthServerOptions } from './health-server.ts';
export { logFindings } from './log-findings.ts';
export { createLogger, openLogDestination } from './logger.ts';
export type { LogDestination, LogFields, Logger, LoggerOptions } from './logger.ts';
export { runMain } from './run-main.ts';
export { prepareRunDir } from './prepare-run-dir.ts';
export { reloadOnHangUp } from './reload-on-hang-up.ts';
export { runUntilStopped } from './run-until-stopped.ts';
export type { RunOptions } from './run-until-stopped.ts';
export { startTelemetry } from './telemetry.ts';
export type { Telemetry } from './telemetry.ts';
export { extractTraceContext, injectTraceContext } from './trace-context.ts';
export type { TraceHeaders } from './trace-context.ts';
