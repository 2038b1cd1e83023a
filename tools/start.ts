// Polygate in one process: Admin API, runner manager and data plane over one store.
//   node tools/start.ts [--config FILE]
import {
  createLogger,
  loadConfig,
  logFindings,
  openLogDestination,
  reloadOnHangUp,
  reloadPluginList,
  runMain,
  runUntilStopped,
  startHealthServer,
  startTelemetry,
} from '@polygate/chassis';
import type { GatewayConfig, ListenAddress, Logger } from '@polygate/chassis';
import { startAdminApi } from '@polygate/admin-api';
import { openConfigStore } from '@polygate/config-store';
import { startDataPlane } from '@polygate/data-plane';
import type { DataPlane } from '@polygate/data-plane';
import { managerOptionsFrom, startRunnerManager, takeRunners } from '@polygate/runner-manager';
import { startEchoUpstream } from './echo-upstream.ts';
import { writeSample } from './sample.ts';
import { welcome } from './welcome.ts';

/** Parts to stop, last started first. */
type Stops = (() => Promise<void>)[];

await runMain('polygate', async (configFile) => {
  const config = loadConfig(configFile);
  const { errorLogLevel: level, polygate } = config;
  const stream = openLogDestination(config.errorLogFile);
  const log = createLogger({ level, format: polygate.logFormat, service: 'polygate', stream });
  logFindings(config, log);

  const stops: Stops = [];
  const end = runUntilStopped({
    graceMs: polygate.shutdownGraceMs,
    log,
    stop: async () => {
      for (const stop of stops.toReversed()) await stop();
    },
  });
  const { admin, plane } = await startParts(config, log, stops);
  process.on('SIGUSR1', () => {
    stream.reopen();
    plane?.reopenLogs();
  });
  if (plane === undefined) {
    console.log(welcome(config, { admin, gateway: [] }));
    return;
  }
  plane.serving.then(
    () => console.log(welcome(config, { admin, gateway: plane.listen })),
    (error: Error) => {
      log.error(`cannot serve: ${error.message}`);
      process.exitCode = 1;
      end('no port to serve on');
    },
  );
});

async function startParts(
  config: GatewayConfig,
  log: Logger,
  stops: Stops,
): Promise<{ admin: ListenAddress | undefined; plane: DataPlane | undefined }> {
  const { polygate, role, status } = config;
  const telemetry = await startTelemetry(polygate.telemetry, 'polygate', log);
  stops.push(() => telemetry.shutdown());
  const store = openConfigStore(config, log);
  stops.push(() => store.close());
  if (polygate.echoUpstream !== undefined) {
    const echo = await startEchoUpstream({ ...polygate.echoUpstream });
    stops.push(() => echo.close());
    if (polygate.sample) await writeSample(store, `${polygate.echoUpstream.host}:${echo.port}`);
  }
  let admin: ListenAddress | undefined;
  if (config.admin.enabled) {
    const api = await startAdminApi({
      config,
      store,
      log,
      loadPluginList: () => reloadPluginList(config.file),
      tracer: telemetry.tracer,
    });
    stops.push(() => api.stop());
    admin = api.address;
  }
  if (role === 'control_plane') return { admin, plane: undefined };

  const manager = await startRunnerManager(managerOptionsFrom(config, log, telemetry));
  stops.push(() => manager.stop());
  const plane = await startDataPlane({ config, store, log });
  stops.push(() => plane.stop(polygate.shutdownGraceMs - 1000));
  reloadOnHangUp({
    configFile: config.file,
    log,
    // New runners first, then the calls to them, then the end of those that are gone.
    take: ({ polygate: { runners } }) =>
      takeRunners(manager, runners, () => plane.takeRunners(runners)),
  });
  if (status !== undefined) {
    const ready = (): string | undefined =>
      plane.isReady() ? undefined : 'not every worker has a configuration';
    const health = await startHealthServer({ ...status, ready, stale: () => plane.whyStale() });
    stops.push(() => health.close());
  }
  return { admin, plane };
}
