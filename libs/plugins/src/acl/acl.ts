import { definePlugin, EXTERNAL_USER } from '@polygate/plugin-sdk';
import type { LocalReply, Logger } from '@polygate/plugin-sdk';
import { definition } from './acl.schema.ts';
import type { AclConf } from './acl.schema.ts';
import { compileJsonPath } from './json-path.ts';
import type { JsonPath } from './json-path.ts';
import { labelSplitter, splitByLooks } from './label-values.ts';
import type { SplitLabel } from './label-values.ts';

const MISSING: LocalReply = { status: 401, body: { message: 'Missing authentication.' } };

interface Prepared {
  readonly conf: AclConf;
  readonly path: JsonPath | undefined;
  /** Undefined: by the looks of a value. */
  readonly split: SplitLabel | undefined;
  readonly refusal: LocalReply;
}

type Wanted = AclConf['allow_labels'];

/** Labels, and how their values are taken apart. */
interface Labels {
  readonly values: Readonly<Record<string, unknown>> | undefined;
  readonly split: SplitLabel;
}

/** Source: apisix/plugins/acl.lua. */
export default definePlugin<AclConf, Prepared>(definition, {
  prepare: (conf) => ({
    conf,
    path: compileJsonPath(conf.external_user_label_field),
    split:
      conf.external_user_label_field_parser === undefined
        ? undefined
        : labelSplitter(
            conf.external_user_label_field_parser,
            conf.external_user_label_field_separator,
          ),
    refusal: {
      status: conf.rejected_code,
      body: { message: conf.rejected_msg ?? 'The consumer is forbidden.' },
    },
  }),

  access(ctx, prepared) {
    const { allow_labels: allowed, deny_labels: denied } = prepared.conf;
    const user = ctx.get(EXTERNAL_USER);
    if (ctx.consumer === undefined && user === undefined) return MISSING;
    const labels =
      ctx.consumer === undefined
        ? labelsOfUser(user, prepared, ctx.log)
        : { values: ctx.consumer.labels, split: splitByLooks };
    if (denied !== undefined && hasOneOf(denied, labels, ctx.log)) return prepared.refusal;
    if (allowed !== undefined && !hasOneOf(allowed, labels, ctx.log)) return prepared.refusal;
    return undefined;
  },
});

/** Several values are taken apart each for itself, and make one list. */
function labelsOfUser(user: unknown, { conf, path, split }: Prepared, log: Logger): Labels {
  const key = conf.external_user_label_field_key ?? conf.external_user_label_field;
  const found = (path?.(user) ?? []).map(({ value }) => value);
  const values = Object.create(null) as Record<string, unknown>;
  if (found.length <= 1) {
    values[key] = found[0];
    return { values, split: split ?? splitByLooks };
  }
  values[key] = found.flatMap((value) => {
    const isText = typeof value === 'string';
    return (isText ? (split ?? splitByLooks) : splitByLooks)(value, log);
  });
  return { values, split: splitByLooks };
}

function hasOneOf(wanted: NonNullable<Wanted>, { values, split }: Labels, log: Logger): boolean {
  if (values === undefined) return false;
  return Object.entries(wanted).some(([name, some]) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined || value === false) return false;
    const parts = split(value, log);
    return some.some((one) => parts.includes(one));
  });
}
