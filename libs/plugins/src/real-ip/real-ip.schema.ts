import { IP_SCHEMAS, IpSet } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface RealIpConf {
  readonly source: string;
  readonly trusted_addresses?: readonly string[];
  readonly recursive: boolean;
}

/** Source: apisix/plugins/real-ip.lua. */
export const definition: PluginDefinition<RealIpConf> = {
  name: 'real-ip',
  version: 0.1,
  priority: 23_000,
  schema: {
    type: 'object',
    properties: {
      trusted_addresses: { type: 'array', items: { anyOf: IP_SCHEMAS }, minItems: 1 },
      source: { type: 'string', minLength: 1 },
      recursive: { type: 'boolean', default: false },
    },
    required: ['source'],
  },
  // the patterns let some pass that are none, as `:/8`
  check: ({ trusted_addresses: addresses = [] }) => void new IpSet(addresses),
};
