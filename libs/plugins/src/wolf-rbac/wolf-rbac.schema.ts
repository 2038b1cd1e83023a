import type { PluginDefinition } from '@polygate/plugin-sdk';

/** Of a consumer. What a route says is not looked at. */
export interface WolfRbacConf {
  readonly appid: string;
  /** Base of the wolf-server's endpoints. */
  readonly server: string;
  readonly header_prefix: string;
  readonly ssl_verify?: boolean;
}

/** Source: apisix/plugins/wolf-rbac.lua. */
export const definition: PluginDefinition<WolfRbacConf> = {
  name: 'wolf-rbac',
  version: 0.1,
  priority: 2555,
  type: 'auth',
  consumerKey: 'appid',
  sharesConsumerKeys: true,
  schema: {
    type: 'object',
    properties: {
      appid: { type: 'string', default: 'unset' },
      server: { type: 'string', default: 'http://127.0.0.1:12180' },
      header_prefix: { type: 'string', default: 'X-' },
      ssl_verify: { type: 'boolean' },
    },
  },
};
