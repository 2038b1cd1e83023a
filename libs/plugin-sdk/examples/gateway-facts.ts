// publicApis: an endpoint of the plugin's own, reached through a route with the plugin public-api.
import { definePlugin } from '@polygate/plugin-sdk';

export default definePlugin<object>(
  {
    name: 'gateway-facts',
    version: 1,
    priority: 90,
    schema: { type: 'object' },
    metadataSchema: { type: 'object', properties: { motto: { type: 'string' } } },
  },
  {
    publicApis: (attr, sources) => [
      {
        methods: ['GET'],
        path: typeof attr['uri'] === 'string' ? attr['uri'] : '/apisix/plugin/gateway-facts',
        handle: () => ({
          status: 200,
          body: {
            id: sources.node.id,
            connections: sources.node.connections().active,
            // asked at each request: a change of the metadata shows at once
            motto: sources.metadata()['motto'] ?? null,
          },
        }),
      },
    ],
  },
);
