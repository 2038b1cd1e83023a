import type { GatewayNode } from '@polygate/plugin-sdk';

/** A process that nobody talks to. */
export function memoryNode(id = 'test-node'): GatewayNode {
  const none = { active: 0, accepted: 0, handled: 0, total: 0 };
  return {
    id,
    connections: () => ({ ...none, reading: 0, writing: 0, waiting: 0 }),
    metricsText: () => Promise.resolve('# EOF\n'),
  };
}
