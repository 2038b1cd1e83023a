import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { noteReason } from '../auth-refusal.ts';
import { parseBasicCredentials } from '../basic-auth/basic-credentials.ts';
import type { BasicCredentials } from '../basic-auth/basic-credentials.ts';
import { escapeDnValue } from '../ldap/distinguished-name.ts';
import { parseLdapAddress } from '../ldap/ldap-address.ts';
import { LdapClient, type LdapWork } from '../ldap/ldap-client.ts';
import { describeResult, LDAP_SUCCESS, type LdapResult } from '../ldap/ldap-messages.ts';
import { definition, type LdapAuthConf } from './ldap-auth.schema.ts';

const LDAP_PORT = 389;
const TIMEOUT_MS = 10_000;
const IDLE_MS = 60_000;
const IDLE_CONNECTIONS_MAX = 2;

interface Prepared {
  readonly conf: LdapAuthConf;
  /** Undefined: the address names no server, and nobody passes. */
  readonly client: LdapClient | undefined;
}

/**
 * Has a directory check name and password of the Authorization header. The consumer is the one of the
 * entry that they were good for.
 */
export default definePlugin<LdapAuthConf, Prepared>(definition, {
  prepare: (conf) => ({ conf, client: clientOf(conf) }),

  dispose: ({ client }) => client?.close(),

  async rewrite(ctx, { conf, client }) {
    const authorization = ctx.request.headers.getKnown('authorization');
    if (authorization === undefined) return refusal(conf, 'Missing authorization in request');
    const credentials = parseBasicCredentials(authorization);
    if (typeof credentials === 'string') {
      noteReason(ctx, credentials);
      return refusal(conf, 'Invalid authorization in request');
    }
    const dn = `${conf.uid}=${escapeDnValue(credentials.username)},${conf.base_dn}`;
    const problem = await bindProblem(ctx, client, dn, credentials);
    if (problem !== undefined) {
      noteReason(ctx, `ldap-auth failed: ${problem}`);
      return refusal(conf, 'Invalid user authorization');
    }
    const consumer = ctx.findConsumer(definition.name, dn);
    if (consumer === undefined) {
      noteReason(ctx, `no consumer has the user_dn ${dn}`);
      return refusal(conf, 'Invalid user authorization');
    }
    ctx.attachConsumer(consumer);
    if (conf.hide_credentials) ctx.request.headers.deleteKnown('authorization');
    return undefined;
  },
});

function clientOf(conf: LdapAuthConf): LdapClient | undefined {
  const address = parseLdapAddress(conf.ldap_uri);
  if (address === undefined) return undefined;
  return new LdapClient({
    host: address.host,
    port: address.port ?? LDAP_PORT,
    security: conf.use_tls ? 'tls' : 'none',
    verifyTls: conf.tls_verify,
    timeoutMs: TIMEOUT_MS,
    idleMs: IDLE_MS,
    idleConnectionsMax: IDLE_CONNECTIONS_MAX,
  });
}

/** Why the directory did not let the user in; undefined when it did. */
async function bindProblem(
  ctx: RequestContext,
  client: LdapClient | undefined,
  dn: string,
  { password }: BasicCredentials,
): Promise<string | undefined> {
  if (client === undefined) return 'ldap_uri is no host with or without a port';
  // an anonymous bind, which a server may grant whatever the name (RFC 4513, 5.1.2)
  if (password.length === 0) return 'bind password is missing or empty';
  // U+FFFD stands for bytes that are no UTF-8: no name of anybody
  if (dn.includes('\ufffd')) return 'user name is no UTF-8';
  try {
    const bind: LdapWork<LdapResult> = (connection, limit) => connection.bind(dn, password, limit);
    const result = await client.call(bind, ctx.signal);
    return result.code === LDAP_SUCCESS ? undefined : describeResult('simple bind', result);
  } catch (error) {
    return (error as Error).message;
  }
}

function refusal(conf: LdapAuthConf, message: string): LocalReply {
  return {
    status: 401,
    headers: { 'WWW-Authenticate': `Basic realm="${conf.realm}"` },
    body: { message },
  };
}
