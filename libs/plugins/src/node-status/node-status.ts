import { definePlugin } from '@polygate/plugin-sdk';
import type { GatewayNode, LocalReply } from '@polygate/plugin-sdk';
import { definition } from './node-status.schema.ts';

/** Tells at `/apisix/status`, by way of public-api, what the process's connections are about. */
export default definePlugin(definition, {
  publicApis: (_attr, { node }) => [
    { methods: ['GET'], path: '/apisix/status', handle: () => statusOf(node) },
  ],
});

/** APISIX cuts the counts out of a text, so they are texts. */
function statusOf(node: GatewayNode): LocalReply {
  const { active, accepted, handled, total, reading, writing, waiting } = node.connections();
  const counts = { active, accepted, handled, total, reading, writing, waiting };
  const status = Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [name, String(count)]),
  );
  return { status: 200, body: JSON.stringify({ id: node.id, status }) };
}
