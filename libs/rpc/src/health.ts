import { makeGenericClientConstructor, type Client } from '@grpc/grpc-js';
import { service as healthDefinition } from 'grpc-health-check';
import { clientCredentials, connectOptions, type ConnectTo } from './connect-options.ts';
import { RpcError } from './errors.ts';

interface HealthClient extends Client {
  check(
    request: { service: string },
    options: { deadline: number },
    callback: (error: Error | null, response?: { status: string | number }) => void,
  ): void;
}

const HealthClient = makeGenericClientConstructor(healthDefinition, 'grpc.health.v1.Health');

export interface HealthQuestion extends ConnectTo {
  /** Default '': the whole server. */
  readonly service?: string;
  /** Default 2000. */
  readonly timeoutMs?: number;
}

/**
 * Asks `grpc.health.v1` whether a service serves; for container health checks.
 *
 * @throws {RpcError} `NOT_FOUND` for a service the server does not know; `UNAVAILABLE` or
 *   `DEADLINE_EXCEEDED` when no server answers.
 */
export function checkHealth(question: HealthQuestion): Promise<boolean> {
  const { address, service = '', timeoutMs = 2000 } = question;
  const client = new HealthClient(
    address,
    clientCredentials(question),
    connectOptions(question),
  ) as unknown as HealthClient;
  return new Promise<boolean>((resolve, reject) => {
    client.check({ service }, { deadline: Date.now() + timeoutMs }, (error, response) => {
      if (error !== null) return reject(RpcError.from(error));
      resolve(response?.status === 'SERVING');
    });
  }).finally(() => client.close());
}
