import type { Pattern } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { HeaderList, LocalReply } from '@polygate/plugin-sdk';
import { compilePatterns, matchesAny } from '../pattern-list.ts';
import { definition, type UaRestrictionConf } from './ua-restriction.schema.ts';

interface Prepared {
  readonly patterns: readonly Pattern[];
  /** Whether the patterns say who may pass; who may not otherwise. */
  readonly allows: boolean;
  readonly bypassMissing: boolean;
  readonly refusal: LocalReply;
}

export default definePlugin<UaRestrictionConf, Prepared>(definition, {
  prepare: (conf) => ({
    patterns: compilePatterns(conf.allowlist ?? conf.denylist ?? []),
    allows: conf.allowlist !== undefined,
    bypassMissing: conf.bypass_missing,
    refusal: { status: 403, body: { message: conf.message } },
  }),

  access(ctx, { patterns, allows, bypassMissing, refusal }) {
    const { headers } = ctx.request;
    if (headers.getKnown('user-agent') === undefined) return bypassMissing ? undefined : refusal;
    return matchesOne(headers, patterns) === allows ? undefined : refusal;
  },
});

/**
 * Of several headers one is enough. APISIX refuses several that no pattern denies, and lets them pass
 * when each is denied: that cannot be meant.
 */
function matchesOne(headers: HeaderList, patterns: readonly Pattern[]): boolean {
  for (let i = 0; i < headers.size; i++) {
    if (headers.lowerNameAt(i) !== 'user-agent') continue;
    if (matchesAny(patterns, headers.valueAt(i).trim())) return true;
  }
  return false;
}
