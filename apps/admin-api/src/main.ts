// The Admin API as a service of its own: admin-api --config FILE
import {
  ConfigFileError,
  createLogger,
  type GatewayConfig,
  HealthState,
  loadConfig,
  logFindings,
  reloadPluginList,
  runMain,
  runUntilStopped,
  startHealthServer,
  startTelemetry,
} from '@polygate/chassis';
import { openEtcdStore } from '@polygate/config-store';
import { startAdminApi } from './start-admin-api.ts';
import { watchStoreHealth } from './watch-store-health.ts';

await runMain('admin-api', async (configFile) => {
  const config = loadConfig(configFile);
  refuseWhatCannotRun(config);
  const { errorLogLevel: level, polygate, etcd } = config;
  const log = createLogger({ level, format: polygate.logFormat, service: 'admin-api' });
  logFindings(config, log);

  const telemetry = await startTelemetry(polygate.telemetry, 'admin-api', log);
  const store = openEtcdStore({ ...etcd, log });
  const api = await startAdminApi({
    config,
    store,
    log,
    loadPluginList: () => reloadPluginList(config.file),
    tracer: telemetry.tracer,
  });
  const health = new HealthState();
  const ending = new AbortController();
  const healthWatch = watchStoreHealth(() => api.checkStore(), health, ending.signal);
  // a traditional gateway's data plane answers there
  const status = config.role === 'control_plane' ? config.status : undefined;
  const ready = () => health.whyNotReady();
  const healthServer = status && (await startHealthServer({ ...status, ready }));

  const scheme = config.admin.https ? 'https' : 'http';
  console.log(`Admin API on ${scheme}://${api.address.host}:${api.address.port}`);
  console.log(`control on ${api.controlAddress}`);
  if (status && healthServer) console.log(`status on http://${status.host}:${healthServer.port}`);
  runUntilStopped({
    graceMs: polygate.shutdownGraceMs,
    log,
    stop: async () => {
      ending.abort();
      await Promise.all([api.stop(), healthServer?.close(), healthWatch]);
      await Promise.all([store.close(), telemetry.shutdown()]);
    },
  });
});

function refuseWhatCannotRun({ admin, configProvider, role, file }: GatewayConfig): void {
  if (!admin.enabled) {
    throw new ConfigFileError(file, [`the Admin API is off in the role ${role}`]);
  }
  if (configProvider === 'etcd') return;
  throw new ConfigFileError(file, [
    `the store is ${configProvider}, which only the all-in-one process can open: start the ` +
      'gateway as a whole, or set config_provider to etcd',
  ]);
}
