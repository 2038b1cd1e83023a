import { Metadata, type Client } from '@grpc/grpc-js';
import { clientCredentials, connectOptions, type ConnectTo } from './connect-options.ts';
import { RpcError } from './errors.ts';
import { ControlServiceClient } from './gen/polygate/control/v1/control.ts';
import { RunnerServiceClient, type ListRunnersResponse } from './gen/polygate/runner/v1/runner.ts';

/** Connects lazily and reconnects for ever; `close()` it. */
export function connectRunnerService(to: ConnectTo) {
  return new RunnerServiceClient(to.address, clientCredentials(to), connectOptions(to));
}

/** Connects lazily and reconnects for ever; `close()` it. */
export function connectControlService(to: ConnectTo) {
  return new ControlServiceClient(to.address, clientCredentials(to), connectOptions(to));
}

/**
 * Resolves when the client has a connection. @throws {RpcError} `UNAVAILABLE` after `timeoutMs`.
 */
export function waitUntilConnected(client: Client, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + timeoutMs, (error) => {
      if (error === undefined) return resolve();
      const message = `no connection within ${timeoutMs} ms`;
      reject(new RpcError('UNAVAILABLE', message, { cause: error }));
    });
  });
}

/** @throws {RpcError} `DEADLINE_EXCEEDED` after `timeoutMs`. */
export function listRunners(
  client: RunnerServiceClient,
  timeoutMs: number,
): Promise<ListRunnersResponse> {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + timeoutMs };
    client.listRunners({}, new Metadata(), options, (error, response) => {
      if (error === null) resolve(response);
      else reject(RpcError.from(error));
    });
  });
}
