import type { UpstreamResource } from '@polygate/model';
import type { CompiledNode } from '../compiled-upstream.ts';
import type { UpstreamHealth } from '../upstream-health.ts';
import type { Balancer, Picker } from './balancer.ts';
import { createConsistentHash } from './consistent-hash.ts';
import { readHashKey } from './hash-key.ts';
import { createLeastConnections } from './least-connections.ts';
import type { NodeLoads } from './node-loads.ts';
import { PriorityBalancer, SingleNode } from './priority-balancer.ts';
import { createResponseTime } from './response-time.ts';
import { createRoundRobin } from './round-robin.ts';

/** What balancers of one upstream are made with. */
export interface BalancerParts {
  readonly resource: UpstreamResource;
  /** `routes/1`: whose upstream it is, whatever its version. */
  readonly key: string;
  readonly loads: NodeLoads;
  /** Undefined: every node counts as healthy. */
  readonly health: UpstreamHealth | undefined;
}

const TYPES = ['roundrobin', 'chash', 'least_conn', 'ewma'];

/** Why there is no balancer for the upstream; undefined: there is one. */
export function balancerProblem({ type }: UpstreamResource): string | undefined {
  if (type === undefined || TYPES.includes(type)) return undefined;
  return `invalid balancer type: ${type}`;
}

/**
 * By the upstream's `type`: the healthy nodes of the highest priority first, the next priority when
 * all of those were tried; all nodes where none is healthy (apisix/balancer.lua).
 */
export function createBalancer(nodes: readonly CompiledNode[], parts: BalancerParts): Balancer {
  const { resource, key, loads, health } = parts;
  const [only] = nodes;
  // A single node is not weighed; least_conn counts what it has in flight for the day it gets company.
  if (nodes.length === 1 && only !== undefined && resource.type !== 'least_conn') {
    return new SingleNode(only);
  }
  const createPicker = (group: readonly CompiledNode[], priority: number): Picker => {
    switch (resource.type) {
      case 'chash':
        return createConsistentHash(group, readHashKey(resource));
      case 'least_conn':
        return createLeastConnections(group, `${key}#${priority}`, loads);
      case 'ewma':
        return createResponseTime(group, loads);
      default:
        return createRoundRobin(group, `${key}#${priority}`, loads);
    }
  };
  return new PriorityBalancer(nodes, createPicker, health);
}
