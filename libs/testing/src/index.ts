export { mountPlugin, runPlugin } from './run-plugin.ts';
export type {
  MountedPlugin,
  PluginRequest,
  PluginRun,
  UpstreamAnswer,
  UpstreamRequest,
} from './run-plugin.ts';
export { FakeClock } from './run-plugin/fake-clock.ts';
export { headerList, MemoryContext } from './run-plugin/memory-context.ts';
export type { HeaderInit, RequestInit } from './run-plugin/memory-context.ts';
export { memoryExternalPlugins } from './run-plugin/memory-external-plugins.ts';
export type { MemoryExternalPlugins } from './run-plugin/memory-external-plugins.ts';
export { memoryLog, type MemoryLog } from './run-plugin/memory-log.ts';
export { memoryMetrics, type MemoryMetrics } from './run-plugin/memory-metrics.ts';
export { MemoryCache } from './run-plugin/memory-cache.ts';
export { memoryNode } from './run-plugin/memory-node.ts';
export { memorySettings } from './run-plugin/memory-settings.ts';
export { memorySharedState } from './run-plugin/memory-shared-state.ts';
export { hasEtcd, startEtcd } from './etcd-server.ts';
export type { EtcdServer, EtcdServerOptions } from './etcd-server.ts';
export { hasRedis, startRedis, startRedisCluster, startRedisSentinel } from './redis-server.ts';
export type {
  RedisServerOptions,
  RedisTestCluster,
  RedisTestSentinel,
  RedisTestServer,
} from './redis-server.ts';
export { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
export { createTestCertificates, type TestCertificates } from './test-certificates.ts';
export { startFakeRunner } from './fake-runner/fake-runner.ts';
export type { FakePeer, FakeRunner, FakeRunnerScript } from './fake-runner/fake-runner.ts';
export { fakeRunnerCommand, type FakeRunnerMode } from './fake-runner/fake-runner-command.ts';
export { validConf } from './run-plugin/valid-conf.ts';
export { buildGoRunner, hasGo, hasGoRunnerCheckout } from './real-runners/go-runner.ts';
export { buildJavaRunner, hasJava } from './real-runners/java-runner.ts';
export { hasJavaScriptRunner, javaScriptRunnerCommand } from './real-runners/javascript-runner.ts';
export { hasPythonRunner, preparePythonRunner } from './real-runners/python-runner.ts';
