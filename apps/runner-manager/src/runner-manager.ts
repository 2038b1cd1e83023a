import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { runnerService, startGrpcServer, type Runner as ListedRunner } from '@polygate/rpc';
import { ExternalRunner } from './process/external-runner.ts';
import { DEFAULT_LIMITS, type RunnerLimits, type RunnerManagerOptions } from './manager-options.ts';
import { RunnerProcess } from './process/runner-process.ts';
import { RunnerService } from './calls/runner-service.ts';
import type { Runner } from './process/runner.ts';

export interface RunnerManager {
  /** Where it listens, with the real port. */
  readonly address: string;
  listRunners(): readonly ListedRunner[];
  /** Refuses new calls, gives running ones `graceMs` (default 1000), ends the runner. */
  stop(graceMs?: number): Promise<void>;
}

const RUNNER_NAME = 'ext-plugin';
const STOP_GRACE_MS = 1000;

/**
 * Starts the runner and the gRPC service through which data planes call its plugins. Does not wait
 * for the runner: calls that come early wait a little themselves.
 *
 * @throws {RpcError} when `listen` cannot be bound.
 * @throws {RangeError} when `runDir` is too long for a socket's path.
 */
export async function startRunnerManager(options: RunnerManagerOptions): Promise<RunnerManager> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { listen, log, tls, tracer } = options;
  await mkdir(options.runDir, { recursive: true, mode: 0o700 });
  const runner = makeRunner(options, limits);
  const service = new RunnerService({ runner, limits, log, tracer });
  try {
    const services = [runnerService(service.handlers)];
    const server = await startGrpcServer({ address: listen, services, tls });
    log.info(`runner manager listens on ${server.address}`);
    return {
      address: server.address,
      listRunners: () => service.listRunners().runners,
      stop: async (graceMs = STOP_GRACE_MS) => {
        await server.stop(graceMs);
        await runner?.stop();
      },
    };
  } catch (error) {
    await runner?.stop();
    throw error;
  }
}

function makeRunner(options: RunnerManagerOptions, limits: RunnerLimits): Runner | undefined {
  const { runner, envs, log } = options;
  if (runner === undefined) return undefined;
  if ('socketPath' in runner) return new ExternalRunner(RUNNER_NAME, runner, limits);
  const runDir = resolve(options.runDir);
  return new RunnerProcess({ name: RUNNER_NAME, cmd: runner.cmd, envs, runDir, limits, log });
}
