import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { RunnerConfig } from '@polygate/chassis';
import { runnerService, startGrpcServer, type Runner as ListedRunner } from '@polygate/rpc';
import { RunnerService } from './calls/runner-service.ts';
import { DEFAULT_LIMITS, type RunnerManagerOptions } from './manager-options.ts';
import { RunnerPools } from './pool/runner-pools.ts';
import { removeStaleSockets } from './process/stale-sockets.ts';

export interface RunnerManager {
  /** Where it listens, with the real port. */
  readonly address: string;
  listRunners(): readonly ListedRunner[];
  /**
   * Replaces a runner's processes without failing a call; resolves to the new generation's number.
   *
   * @throws {RpcError} NOT_FOUND, or FAILED_PRECONDITION: the old processes go on.
   */
  restartRunner(name: string): Promise<number>;
  /**
   * Adds, removes and replaces runners until they are these; those that change by a new generation
   * that is ready. Returns a sentence for each that could not be replaced and goes on as it was.
   *
   * @param beforeRemoval From when it resolves on nobody calls those that are to go.
   */
  reconfigure(
    runners: readonly RunnerConfig[],
    beforeRemoval?: () => Promise<void>,
  ): Promise<string[]>;
  /** Refuses new calls, gives running ones `graceMs` (default 1000), ends the runners. */
  stop(graceMs?: number): Promise<void>;
}

const STOP_GRACE_MS = 1000;

/**
 * Starts the runners and the gRPC service through which data planes call their plugins. Does not
 * wait for the runners: calls that come early wait a little themselves.
 *
 * @throws {RpcError} when `listen` cannot be bound.
 * @throws {RangeError} when `runDir` is too long for a socket's path.
 */
export async function startRunnerManager(options: RunnerManagerOptions): Promise<RunnerManager> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { listen, log, tls, tracer, meter, runners } = options;
  const runDir = resolve(options.runDir);
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  await removeStaleSockets(runDir);
  const service = new RunnerService({ limits, log, tracer, meter });
  const pools = new RunnerPools({ runDir, limits, log }, service);
  try {
    pools.start(runners);
    const services = [runnerService(service.handlers)];
    const server = await startGrpcServer({ address: listen, services, tls });
    log.info(`runner manager listens on ${server.address}`);
    return {
      address: server.address,
      listRunners: () => service.listRunners().runners,
      restartRunner: (name) => service.restartRunner(name),
      reconfigure: (changed, beforeRemoval) => pools.reconfigure(changed, beforeRemoval),
      stop: async (graceMs = STOP_GRACE_MS) => {
        await server.stop(graceMs);
        service.close();
        await pools.stop();
      },
    };
  } catch (error) {
    await pools.stop();
    throw error;
  }
}

/** `reconfigure`, told in one sentence. */
export async function takeRunners(
  manager: RunnerManager,
  runners: readonly RunnerConfig[],
  beforeRemoval?: () => Promise<void>,
): Promise<string> {
  const problems = await manager.reconfigure(runners, beforeRemoval);
  const kept = problems.length === 0 ? '' : `, but ${problems.length} go on as they were: `;
  return `${runners.length} runners${kept}${problems.join('; ')}`;
}
