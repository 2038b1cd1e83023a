import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply } from '@polygate/plugin-sdk';
import { definition } from './referer-restriction.schema.ts';
import type { RefererRestrictionConf } from './referer-restriction.schema.ts';

interface HostSet {
  readonly names: ReadonlySet<string>;
  /** Of `*.example.com`: what stands behind the star. */
  readonly suffixes: readonly string[];
}

interface Prepared {
  readonly hosts: HostSet;
  /** Whether the hosts are those that may pass; those that may not otherwise. */
  readonly allows: boolean;
  readonly bypassMissing: boolean;
  readonly refusal: LocalReply;
}

// parse_uri of lua-resty-http, as far as the host: a name, or an address in brackets
const HOST = /^(?:https?:)?\/\/([^[\]:/?]+|\[.+\])/;

export default definePlugin<RefererRestrictionConf, Prepared>(definition, {
  prepare: (conf) => ({
    hosts: hostSet(conf.whitelist ?? conf.blacklist ?? []),
    allows: conf.whitelist !== undefined,
    bypassMissing: conf.bypass_missing,
    refusal: { status: 403, body: { message: conf.message } },
  }),

  access(ctx, { hosts, allows, bypassMissing, refusal }) {
    const referer = ctx.request.headers.getKnown('referer');
    const host = referer === undefined ? undefined : HOST.exec(referer)?.[1];
    // a malformed one is none
    const passes = host === undefined ? bypassMissing : hasHost(hosts, host) === allows;
    return passes ? undefined : refusal;
  },
});

function hostSet(hosts: readonly string[]): HostSet {
  return {
    names: new Set(hosts.filter((host) => !host.startsWith('*'))),
    suffixes: hosts.filter((host) => host.startsWith('*')).map((host) => host.slice(1)),
  };
}

function hasHost({ names, suffixes }: HostSet, host: string): boolean {
  if (names.has(host)) return true;
  for (const suffix of suffixes) {
    if (host.endsWith(suffix)) return true;
  }
  return false;
}
