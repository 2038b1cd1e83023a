import type { Pattern } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply } from '@polygate/plugin-sdk';
import { compilePatterns, matchesAny } from '../pattern-list.ts';
import { definition, type UriBlockerConf } from './uri-blocker.schema.ts';

interface Prepared {
  readonly rules: readonly Pattern[];
  readonly refusal: LocalReply;
}

/** Refuses requests whose path and query match a pattern. One too long to be matched is an error. */
export default definePlugin<UriBlockerConf, Prepared>(definition, {
  prepare: ({ block_rules: rules, rejected_code: status, rejected_msg: message, ...conf }) => ({
    rules: compilePatterns(rules, { caseInsensitive: conf.case_insensitive }),
    refusal: message === undefined ? { status } : { status, body: { error_msg: message } },
  }),

  rewrite(ctx, { rules, refusal }) {
    // no rules at all refuse everything, as in APISIX, which makes one pattern of them
    if (rules.length === 0) return refusal;
    // normalised path and query: what the route was matched with
    return matchesAny(rules, ctx.vars.get('request_uri') ?? '') ? refusal : undefined;
  },
});
