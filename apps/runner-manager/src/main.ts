// The runner manager as a service of its own: runner-manager --config FILE
import {
  createLogger,
  loadConfig,
  logFindings,
  reloadOnHangUp,
  runMain,
  runUntilStopped,
  startTelemetry,
} from '@polygate/chassis';
import { managerOptionsFrom } from './manager-options.ts';
import { startRunnerManager, takeRunners } from './runner-manager.ts';

await runMain('runner-manager', async (configFile) => {
  const config = loadConfig(configFile);
  const { errorLogLevel: level, polygate } = config;
  const log = createLogger({ level, format: polygate.logFormat, service: 'runner-manager' });
  logFindings(config, log);
  const telemetry = await startTelemetry(polygate.telemetry, 'runner-manager', log);
  const manager = await startRunnerManager(managerOptionsFrom(config, log, telemetry));
  console.log(`runner manager on ${manager.address}`);
  reloadOnHangUp({
    configFile,
    log,
    take: ({ polygate: { runners } }) => takeRunners(manager, runners),
  });
  runUntilStopped({
    graceMs: polygate.shutdownGraceMs,
    log,
    stop: async () => {
      await manager.stop();
      await telemetry.shutdown();
    },
  });
});
