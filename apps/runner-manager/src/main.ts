// The runner manager as a service of its own: runner-manager --config FILE
import {
  createLogger,
  loadConfig,
  logFindings,
  runMain,
  runUntilStopped,
  startTelemetry,
  type Logger,
} from '@polygate/chassis';
import { managerOptionsFrom } from './manager-options.ts';
import { startRunnerManager, type RunnerManager } from './runner-manager.ts';

await runMain('runner-manager', async (configFile) => {
  const config = loadConfig(configFile);
  const { errorLogLevel: level, polygate } = config;
  const log = createLogger({ level, format: polygate.logFormat, service: 'runner-manager' });
  logFindings(config, log);
  const telemetry = await startTelemetry(polygate.telemetry, 'runner-manager', log);
  const manager = await startRunnerManager(managerOptionsFrom(config, log, telemetry));
  console.log(`runner manager on ${manager.address}`);
  // As in nginx. What cannot be taken over is told, and goes on as it was.
  process.on('SIGHUP', () => void reload(configFile, manager, log));
  runUntilStopped({
    graceMs: polygate.shutdownGraceMs,
    log,
    stop: async () => {
      await manager.stop();
      await telemetry.shutdown();
    },
  });
});

/** Takes over the runners of the configuration file, without failing a call. */
async function reload(configFile: string, manager: RunnerManager, log: Logger): Promise<void> {
  try {
    const config = loadConfig(configFile);
    logFindings(config, log);
    const problems = await manager.reconfigure(config.polygate.runners);
    log.info(`configuration taken over, ${problems.length} runners could not be replaced`);
  } catch (error) {
    log.error(`configuration not taken over: ${(error as Error).message}`);
  }
}
