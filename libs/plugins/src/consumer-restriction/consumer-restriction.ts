import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { definition } from './consumer-restriction.schema.ts';
import type { ConsumerRestrictionConf, RestrictedBy } from './consumer-restriction.schema.ts';

interface Prepared {
  readonly read: (ctx: RequestContext) => string | undefined;
  readonly denied: ReadonlySet<string>;
  readonly allowed: ReadonlySet<string> | undefined;
  /** Who is not here may use every method. */
  readonly methods: ReadonlyMap<string, ReadonlySet<string>>;
  readonly missing: LocalReply;
  readonly refusal: LocalReply;
}

const READERS: Readonly<Record<RestrictedBy, Prepared['read']>> = {
  consumer_name: (ctx) => ctx.consumer?.username,
  consumer_group_id: (ctx) => ctx.consumer?.groupId,
  route_id: (ctx) => ctx.route?.id,
  service_id: (ctx) => ctx.route?.serviceId,
};

export default definePlugin<ConsumerRestrictionConf, Prepared>(definition, {
  prepare: (conf) => ({
    read: READERS[conf.type],
    denied: new Set(conf.blacklist),
    allowed: conf.whitelist === undefined ? undefined : new Set(conf.whitelist),
    methods: methodsByUser(conf),
    missing: {
      status: 401,
      body: {
        message: `The request is rejected, please check the ${conf.type} for this request`,
      },
    },
    refusal: {
      status: conf.rejected_code,
      body: { message: conf.rejected_msg ?? `The ${conf.type} is forbidden.` },
    },
  }),

  access(ctx, { read, denied, allowed, methods, missing, refusal }) {
    const name = read(ctx);
    if (name === undefined) return missing;
    if (denied.has(name)) return refusal;
    if (allowed !== undefined) return allowed.has(name) ? undefined : refusal;
    return methods.get(name)?.has(ctx.request.method) === false ? refusal : undefined;
  },
});

/** The first entry of a user counts. */
function methodsByUser({ allowed_by_methods: entries = [] }: ConsumerRestrictionConf) {
  const methodsOf = new Map<string, ReadonlySet<string>>();
  for (const { user, methods } of entries) {
    if (user !== undefined && !methodsOf.has(user)) methodsOf.set(user, new Set(methods));
  }
  return methodsOf;
}
