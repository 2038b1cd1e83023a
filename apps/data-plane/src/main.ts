// A data plane as a service of its own: data-plane --config FILE
import {
  createLogger,
  loadConfig,
  logFindings,
  openLogDestination,
  reloadOnHangUp,
  runMain,
  runUntilStopped,
  startHealthServer,
} from '@polygate/chassis';
import { openConfigStore } from '@polygate/config-store';
import { startDataPlane } from './data-plane.ts';

await runMain('data-plane', async (configFile) => {
  const config = loadConfig(configFile);
  const { errorLogLevel: level, polygate, status } = config;
  const stream = openLogDestination(config.errorLogFile);
  const log = createLogger({ level, format: polygate.logFormat, service: 'data-plane', stream });
  logFindings(config, log);
  if (config.configProvider === 'embedded' || config.configProvider === 'memory') {
    throw new Error(
      `the ${config.configProvider} store is for the all-in-one process: ` +
        'set config_provider to etcd',
    );
  }

  const store = openConfigStore(config, log);
  const plane = await startDataPlane({ config, store, log });
  process.on('SIGUSR1', () => {
    stream.reopen();
    plane.reopenLogs();
  });
  reloadOnHangUp({
    configFile,
    log,
    take: async ({ polygate: { runners } }) => {
      await plane.takeRunners(runners);
      return `${runners.length} runners`;
    },
  });
  const ready = (): string | undefined =>
    plane.isReady() ? undefined : 'not every worker has a configuration';
  const health =
    status && (await startHealthServer({ ...status, ready, stale: () => plane.whyStale() }));
  const end = runUntilStopped({
    graceMs: polygate.shutdownGraceMs,
    log,
    stop: async () => {
      await plane.stop(polygate.shutdownGraceMs - 1000);
      await Promise.all([health?.close(), store.close()]);
    },
  });
  plane.serving.then(
    () => {
      for (const { host, port, tls } of plane.listen) {
        console.log(`data plane on ${tls ? 'https' : 'http'}://${host}:${port}`);
      }
    },
    (error: Error) => {
      log.error(`cannot serve: ${error.message}`);
      process.exitCode = 1;
      end('no port to serve on');
    },
  );
});
