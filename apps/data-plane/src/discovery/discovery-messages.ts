import type { ServiceAnswer } from '../upstream/discovered-upstream.ts';

/** A service of a registry. */
export interface ServiceName {
  /** `discovery_type` */
  readonly type: string;
  /** `service_name` */
  readonly name: string;
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

export function serviceKey({ type, name }: ServiceName): string {
  return `${type} ${name}`;
}
