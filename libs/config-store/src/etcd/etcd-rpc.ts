import { createRequire } from 'node:module';
import * as grpc from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import type {
  IAuthenticateRequest,
  IAuthenticateResponse,
  IDeleteRangeRequest,
  IDeleteRangeResponse,
  ILeaseGrantRequest,
  ILeaseGrantResponse,
  IRangeRequest,
  IRangeResponse,
  IStatusRequest,
  IStatusResponse,
  ITxnRequest,
  ITxnResponse,
  IWatchRequest,
  IWatchResponse,
} from 'etcd3';
import { StoreError } from '../errors.ts';

/** The unary calls we make, with what goes in and out. */
export interface EtcdCalls {
  'KV.Range': readonly [IRangeRequest, IRangeResponse];
  'KV.DeleteRange': readonly [IDeleteRangeRequest, IDeleteRangeResponse];
  'KV.Txn': readonly [ITxnRequest, ITxnResponse];
  'Lease.LeaseGrant': readonly [ILeaseGrantRequest, ILeaseGrantResponse];
  'Maintenance.Status': readonly [IStatusRequest, IStatusResponse];
  'Auth.Authenticate': readonly [IAuthenticateRequest, IAuthenticateResponse];
}
export type EtcdCallName = keyof EtcdCalls;
export type WatchStream = grpc.ClientDuplexStream<IWatchRequest, IWatchResponse>;

/** Calls that may be repeated on another endpoint although the first may have done them. */
export const REPEATABLE: ReadonlySet<EtcdCallName> = new Set([
  'KV.Range',
  'Maintenance.Status',
  'Auth.Authenticate',
  'Lease.LeaseGrant',
]);

// etcd3 brings etcd's protocol and its message types. Its connection pool is not used: it can
// neither skip certificate checks (`tls.verify: false`) nor apply `serverName` to the call that
// fetches the token, and its watcher hides compaction.
const definitions = loadSync(createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto'), {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
});

function method(name: string): MethodDefinition<object, object> {
  const [service = '', rpc = ''] = name.split('.');
  const found = (definitions[`etcdserverpb.${service}`] as grpc.ServiceDefinition | undefined)?.[
    rpc
  ];
  if (!found) throw new Error(`etcd3 has no ${name} in its protocol`);
  return found as unknown as MethodDefinition<object, object>;
}

const methods = new Map<string, MethodDefinition<object, object>>();

function methodNamed(name: string): MethodDefinition<object, object> {
  const known = methods.get(name) ?? method(name);
  methods.set(name, known);
  return known;
}

export interface CallOptions {
  readonly metadata: grpc.Metadata;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
}

/** One unary call on one channel. Rejects with the grpc ServiceError as it is. */
export function callUnary<N extends EtcdCallName>(
  client: grpc.Client,
  name: N,
  request: EtcdCalls[N][0],
  { metadata, deadline, signal }: CallOptions,
): Promise<EtcdCalls[N][1]> {
  const { path, requestSerialize, responseDeserialize } = methodNamed(name);
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      { deadline },
      (error, response) => {
        signal?.removeEventListener('abort', cancel);
        if (error) reject(error);
        else resolve(response as EtcdCalls[N][1]);
      },
    );
    function cancel() {
      call.cancel();
    }
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
  });
}

/** Opens the Watch RPC; nothing is sent yet. */
export function openWatchStream(client: grpc.Client, metadata: grpc.Metadata): WatchStream {
  const { path, requestSerialize, responseDeserialize } = methodNamed('Watch.Watch');
  return client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    metadata,
    {},
  ) as WatchStream;
}

export function grpcCode(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : undefined;
}

function detailsOf(error: unknown): string {
  const details = (error as { details?: unknown } | null)?.details;
  return typeof details === 'string' && details !== '' ? details : String(error);
}

/** The endpoint, not the request, is at fault: another endpoint may do. */
export function isOutOfReach(error: unknown): boolean {
  return grpcCode(error) === grpc.status.UNAVAILABLE || isTimeout(error);
}

export function isTimeout(error: unknown): boolean {
  return grpcCode(error) === grpc.status.DEADLINE_EXCEEDED;
}

/**
 * True if the request surely never left: grpc found no connection. Only then may a write be tried
 * elsewhere, because a repeated compare-and-put would take its own first attempt for a conflict.
 */
export function wasNeverSent(error: unknown): boolean {
  const details = detailsOf(error);
  return (
    grpcCode(error) === grpc.status.UNAVAILABLE &&
    (details.startsWith('No connection established') ||
      details.startsWith('Name resolution failed'))
  );
}

/** The token is unknown or outdated: etcd forgets simple tokens after `--auth-token-ttl`. */
export function isTokenRefused(error: unknown): boolean {
  return (
    grpcCode(error) === grpc.status.UNAUTHENTICATED ||
    detailsOf(error).includes('revision of auth store is old')
  );
}

export function isAuthNotEnabled(error: unknown): boolean {
  return detailsOf(error).includes('authentication is not enabled');
}

/** A range or watch at a revision whose history is gone. */
export function isCompacted(error: unknown): boolean {
  return grpcCode(error) === grpc.status.OUT_OF_RANGE && detailsOf(error).includes('compacted');
}

/** The answer was larger than this client accepts (`grpc.max_receive_message_length`). */
export function isAnswerTooLarge(error: unknown): boolean {
  return (
    grpcCode(error) === grpc.status.RESOURCE_EXHAUSTED &&
    detailsOf(error).startsWith('Received message larger')
  );
}

const REFUSED = [
  'user name is empty',
  'authentication failed',
  'invalid auth token',
  'permission denied',
];
const TOO_LARGE = ['request is too large', 'message larger than max'];
const CERTIFICATE = ['certificate', 'ERR_TLS', 'SSL alert'];

/** A failure of etcd or of the way to it, in the words of StoreError. */
export function toStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  const details = detailsOf(error);
  const says = (phrases: readonly string[]) => phrases.some((phrase) => details.includes(phrase));
  const message = `etcd: ${doing}: ${details}`;
  if (says(REFUSED) || isTokenRefused(error)) {
    return new StoreError('UNAUTHENTICATED', message, { cause: error });
  }
  if (wasNeverSent(error) && says(CERTIFICATE)) {
    return new StoreError('UNAUTHENTICATED', message, { cause: error });
  }
  if (says(TOO_LARGE)) return new StoreError('TOO_LARGE', message, { cause: error });
  if (isCompacted(error)) return new StoreError('COMPACTED', message, { cause: error });
  if (says(['future revision'])) return new StoreError('FUTURE', message, { cause: error });
  if (says(['too many operations'])) {
    return new StoreError('TOO_MANY', `${message} (--max-txn-ops)`, { cause: error });
  }
  return new StoreError('UNAVAILABLE', message, { cause: error });
}
