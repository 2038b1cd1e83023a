import type { UpstreamResource } from '@polygate/model';
import type { ServiceAnswer } from '../upstream/discovered-upstream.ts';

/** A service of a registry. */
export interface ServiceName {
  /** `discovery_type` */
  readonly type: string;
  /** `service_name` */
  readonly name: string;
  /** Where in the registry it is: in Nacos alone. */
  readonly place?: ServicePlace;
}

/** `discovery_args`, and what of the upstream matters to the nodes' ports. */
export interface ServicePlace {
  readonly namespace: string;
  readonly group: string;
  readonly isGrpc: boolean;
}

/** From the main thread to the workers. */
export interface ServiceChange extends ServiceName {
  readonly answer: ServiceAnswer;
}

/** From a worker. */
export interface ServiceWishes {
  /** Asked for by a request for the first time. */
  readonly wanted: readonly ServiceName[];
  /** No upstream names them any more. */
  readonly unwanted: readonly ServiceName[];
}

/** Where services are whose upstreams do not say it. */
export const DEFAULT_PLACE: ServicePlace = {
  namespace: 'public',
  group: 'DEFAULT_GROUP',
  isGrpc: false,
};

/** Of a resource with a `service_name`. */
export function serviceOf(resource: UpstreamResource): ServiceName {
  const { discovery_type: type = '', service_name: name = '', scheme = 'http' } = resource;
  if (type !== 'nacos') return { type, name };
  const args: { namespace_id?: string; group_name?: string } = resource.discovery_args ?? {};
  const isGrpc = scheme === 'grpc' || scheme === 'grpcs';
  const { namespace_id: namespace = DEFAULT_PLACE.namespace } = args;
  const { group_name: group = DEFAULT_PLACE.group } = args;
  return { type, name, place: { namespace, group, isGrpc } };
}

export function serviceKey({ type, name, place }: ServiceName): string {
  if (place === undefined) return `${type} ${name}`;
  return JSON.stringify([type, place.namespace, place.group, name, place.isGrpc]);
}
