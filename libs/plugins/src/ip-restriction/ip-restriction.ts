import { IpSet } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply } from '@polygate/plugin-sdk';
import { definition, type IpRestrictionConf } from './ip-restriction.schema.ts';

interface Prepared {
  readonly allowed: IpSet | undefined;
  readonly denied: IpSet | undefined;
  readonly refusal: LocalReply;
}

export default definePlugin<IpRestrictionConf, Prepared>(definition, {
  prepare: (conf) => ({
    allowed: conf.whitelist === undefined ? undefined : new IpSet(conf.whitelist),
    denied: conf.blacklist === undefined ? undefined : new IpSet(conf.blacklist),
    refusal: { status: conf.response_code, body: { message: conf.message } },
  }),

  access(ctx, { allowed, denied, refusal }) {
    const { address } = ctx.client;
    const refused = allowed === undefined ? denied?.has(address) : !allowed.has(address);
    return refused === true ? refusal : undefined;
  },
});
