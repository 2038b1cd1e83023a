import type { LdapConnection } from '../ldap/ldap-connection.ts';
import { describeResult, INVALID_CREDENTIALS, LDAP_SUCCESS } from '../ldap/ldap-messages.ts';
import { SIZE_LIMIT_EXCEEDED } from '../ldap/ldap-messages.ts';
import type { LdapCredentials } from './credential-header.ts';
import type { LdapAuthAdvancedConf } from './ldap-auth-advanced.schema.ts';

/** `refused`: it is the user's fault; `failed`: somebody has to look at the directory or the conf. */
export type FoundUser =
  { readonly dn: string } | { readonly refused: string } | { readonly failed: string };

/** Finds the one entry of that user, and binds as it. On one connection, whoever it was bound as. */
export async function findUser(
  connection: LdapConnection,
  conf: LdapAuthAdvancedConf,
  { username, password }: LdapCredentials,
  signal: AbortSignal,
): Promise<FoundUser> {
  const { bind_dn: searcher = '', ldap_password: secret = '' } = conf;
  const bound = await connection.bind(searcher, Buffer.from(secret), signal);
  if (bound.code !== LDAP_SUCCESS) {
    return { failed: `LDAP search bind failed: ${describeResult('simple bind', bound)}` };
  }

  const { result, dns } = await connection.search(
    {
      baseDn: conf.base_dn,
      attribute: conf.attribute,
      value: username,
      entriesMax: conf.size_limit,
      timeLimitSeconds: conf.time_limit,
    },
    signal,
  );
  if (result.code === SIZE_LIMIT_EXCEEDED) {
    return ambiguous('size limit exceeded');
  }
  if (result.code !== LDAP_SUCCESS) {
    return { failed: `LDAP user search failed: ${describeResult('search', result)}` };
  }
  const [dn, another] = dns;
  if (dn === undefined) return { refused: 'user not found' };
  // any of them would be chance
  if (another !== undefined) return ambiguous('>1 entry');

  const answer = await connection.bind(dn, password, signal);
  if (answer.code === LDAP_SUCCESS) return { dn };
  if (answer.code === INVALID_CREDENTIALS) return { refused: 'user authentication failed' };
  return {
    failed: `LDAP authentication bind failed: ${describeResult('simple bind', answer)}`,
  };
}

function ambiguous(why: string): FoundUser {
  return { refused: `ambiguous user match (${why}); check attribute uniqueness` };
}
