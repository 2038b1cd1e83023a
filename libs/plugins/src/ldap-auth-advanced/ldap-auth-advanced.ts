import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { HELD_REASON } from '../auth-refusal.ts';
import { parseLdapAddress } from '../ldap/ldap-address.ts';
import { LdapClient } from '../ldap/ldap-client.ts';
import { readCredentials, type LdapCredentials } from './credential-header.ts';
import { findUser, type FoundUser } from './find-user.ts';
import { definition, type LdapAuthAdvancedConf } from './ldap-auth-advanced.schema.ts';

const LDAP_PORT = 389;
const LDAPS_PORT = 636;

/** Those that only the gateway may say something in. */
const IDENTITY_HEADERS = [
  'x-authenticated-groups',
  'x-consumer-username',
  'x-credential-identifier',
  'x-consumer-custom-id',
];

const CHALLENGES = { ldap: 'ldap', basic: 'Basic' };

interface Prepared {
  readonly conf: LdapAuthAdvancedConf;
  /** Undefined: the address names no server. */
  readonly client: LdapClient | undefined;
}

/** Looks a user up in a directory by an attribute, and lets it check the password. */
export default definePlugin<LdapAuthAdvancedConf, Prepared>(definition, {
  prepare: (conf) => ({ conf, client: clientOf(conf) }),

  dispose: ({ client }) => client?.close(),

  async rewrite(ctx, prepared) {
    const { conf } = prepared;
    const { headers } = ctx.request;
    // also where no consumer is attached, which would set them anew
    for (const name of IDENTITY_HEADERS) headers.deleteKnown(name);
    const credentials = readCredentials(headers, conf.header_type);
    if (typeof credentials === 'string') return refusal(ctx, conf, credentials);
    const found = await find(ctx, prepared, credentials);
    if ('failed' in found) {
      ctx.log.error(`${definition.name}: ${found.failed}`);
      return { status: 500 };
    }
    if ('refused' in found) return refusal(ctx, conf, found.refused);
    if (!conf.consumer_required) return undefined;
    const consumer = ctx.findConsumer(definition.name, found.dn);
    if (consumer === undefined) {
      return refusal(ctx, conf, 'no Consumer maps to the authenticated user_dn');
    }
    ctx.attachConsumer(consumer);
    return undefined;
  },
});

function clientOf(conf: LdapAuthAdvancedConf): LdapClient | undefined {
  const address = parseLdapAddress(conf.ldap_uri);
  if (address === undefined) return undefined;
  return new LdapClient({
    host: address.host,
    port: address.port ?? (conf.use_ldaps ? LDAPS_PORT : LDAP_PORT),
    security: securityOf(conf),
    verifyTls: conf.ssl_verify,
    timeoutMs: conf.timeout,
    idleMs: conf.keepalive_timeout,
    idleConnectionsMax: conf.keepalive ? conf.keepalive_pool_size : 0,
  });
}

function securityOf(conf: LdapAuthAdvancedConf): 'none' | 'tls' | 'starttls' {
  if (conf.use_ldaps) return 'tls';
  return conf.use_starttls ? 'starttls' : 'none';
}

async function find(
  ctx: RequestContext,
  { conf, client }: Prepared,
  credentials: LdapCredentials,
): Promise<FoundUser> {
  if (client === undefined) return { failed: 'ldap_uri is no host with or without a port' };
  try {
    return await client.call(
      (connection, limit) => findUser(connection, conf, credentials, limit),
      ctx.signal,
    );
  } catch (error) {
    return { failed: `LDAP connect failed: ${(error as Error).message}` };
  }
}

/** Below multi-auth the answer is multi-auth's, and nothing is said of why. */
function refusal(ctx: RequestContext, conf: LdapAuthAdvancedConf, reason: string): LocalReply {
  if (ctx.get(HELD_REASON) !== undefined) return { status: 401 };
  ctx.log.warn(`${definition.name}: ${reason}`);
  const challenge = `${CHALLENGES[conf.header_type]} realm="${conf.realm}"`;
  return {
    status: 401,
    headers: { 'WWW-Authenticate': challenge },
    body: { message: 'Authorization required' },
  };
}
