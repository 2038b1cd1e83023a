import { IP_SCHEMAS, IpSet } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface IpRestrictionConf {
  readonly message: string;
  readonly response_code: number;
  readonly whitelist?: readonly string[];
  readonly blacklist?: readonly string[];
}

const ADDRESSES = { type: 'array', items: { anyOf: IP_SCHEMAS }, minItems: 1 };

/** Source: apisix/plugins/ip-restriction/init.lua. */
export const definition: PluginDefinition<IpRestrictionConf> = {
  name: 'ip-restriction',
  version: 0.1,
  priority: 3000,
  schema: {
    type: 'object',
    properties: {
      message: {
        type: 'string',
        minLength: 1,
        maxLength: 1024,
        default: 'Your IP address is not allowed',
      },
      response_code: { type: 'integer', minimum: 403, maximum: 404, default: 403 },
      whitelist: ADDRESSES,
      blacklist: ADDRESSES,
    },
    oneOf: [{ required: ['whitelist'] }, { required: ['blacklist'] }],
  },
  // the patterns let some pass that are none, as `:/8`
  check({ whitelist = [], blacklist = [] }) {
    new IpSet([...whitelist, ...blacklist]);
  },
};
