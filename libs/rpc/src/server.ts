import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { messageOptions } from './connect-options.ts';
import { RpcError } from './errors.ts';
import {
  ControlServiceService,
  type ControlServiceServer,
} from './gen/polygate/control/v1/control.ts';
import {
  RunnerServiceService,
  type ConnectResponse,
  type RunnerServiceServer,
} from './gen/polygate/runner/v1/runner.ts';
import { closeToOthers, prepareUnixPath, unixPath } from './unix-socket.ts';
import { readConnectRequest } from './wire/frame-reader.ts';

/** A contract with its implementation, and the name under which health is asked. */
export interface GrpcService {
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

/** PEM texts. With `clientAuthority` only clients with a certificate signed by it get in. */
export interface ServerTls {
  readonly certificate: string | Buffer;
  readonly privateKey: string | Buffer;
  readonly clientAuthority?: string | Buffer | undefined;
}

export interface GrpcServerOptions {
  /** `unix:/path` (mode 0600) or `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly services: readonly GrpcService[];
  readonly tls?: ServerTls | undefined;
  /** Default `MESSAGE_BYTES_MAX`. */
  readonly messageBytesMax?: number | undefined;
}

export interface GrpcServer {
  /** Where it listens, with the real port. */
  readonly address: string;
  /** What `grpc.health.v1` says of a service; '' stands for the whole server. */
  setServing(service: string, serving: boolean): void;
  /** Says NOT_SERVING, lets calls end for `graceMs`, then breaks them. Safe to call twice. */
  stop(graceMs: number): Promise<void>;
}

/** Streams of `connect` also take messages that are encoded already. */
export function runnerService(handlers: RunnerServiceServer): GrpcService {
  const { connect } = RunnerServiceService;
  const definition = {
    ...RunnerServiceService,
    connect: {
      ...connect,
      requestDeserialize: readConnectRequest,
      responseSerialize: (message: ConnectResponse | Buffer): Buffer =>
        Buffer.isBuffer(message) ? message : connect.responseSerialize(message),
    },
  };
  return { name: 'polygate.runner.v1.RunnerService', definition, handlers };
}

export function controlService(handlers: ControlServiceServer): GrpcService {
  return {
    name: 'polygate.control.v1.ControlService',
    definition: ControlServiceService,
    handlers,
  };
}

/**
 * Starts a server with `grpc.health.v1`; all its services say SERVING at once.
 *
 * @throws {RpcError} when the address cannot be bound.
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const path = unixPath(options.address);
  if (path !== undefined) await prepareUnixPath(path);
  const server = new Server({
    ...messageOptions(options.messageBytesMax),
    // Batched streams are few and long; this only stops a client that opens streams without end.
    'grpc.max_concurrent_streams': 1024,
  });
  for (const { definition, handlers } of options.services) server.addService(definition, handlers);
  const names = ['', ...options.services.map(({ name }) => name)];
  const health = new HealthImplementation(
    Object.fromEntries(names.map((name) => [name, 'SERVING' as const])),
  );
  health.addToServer(server);
  const port = await bind(server, options);
  if (path !== undefined) await closeToOthers(path);
  return {
    address: path === undefined ? options.address.replace(/:\d+$/, `:${port}`) : options.address,
    setServing: (service, serving) =>
      health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING'),
    stop: (graceMs) => {
      for (const name of names) health.setStatus(name, 'NOT_SERVING');
      return shutDown(server, graceMs);
    },
  };
}

function bind(server: Server, { address, tls }: GrpcServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, serverCredentials(tls), (error, port) => {
      if (error === null) return resolve(port);
      reject(new RpcError('UNAVAILABLE', `cannot listen on ${address}`, { cause: error }));
    });
  });
}

function serverCredentials(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const authority = tls.clientAuthority === undefined ? null : Buffer.from(tls.clientAuthority);
  const pair = {
    cert_chain: Buffer.from(tls.certificate),
    private_key: Buffer.from(tls.privateKey),
  };
  return ServerCredentials.createSsl(authority, [pair], authority !== null);
}

function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
