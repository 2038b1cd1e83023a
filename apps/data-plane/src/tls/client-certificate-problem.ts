import type { TlsSession } from '../request/exchange.ts';
import type { Pattern } from '@polygate/model';
import { comparableName } from './sni-index.ts';
import { ClientTlsSession } from './tls-session.ts';

/**
 * Why a request is to be refused with 400 before any plugin runs, for the log; undefined: it is not.
 * Two rules, as in APISIX: what the object of the handshake leaves to the path (`skip_mtls_uri_regex`),
 * and that a host which demands client certificates is reached by its own name in SNI only, since
 * another name may have been verified by other authorities or not at all. Beyond APISIX: a connection
 * that is older than the object which demands certificates of its host does not pass. `path` is
 * nginx's `$uri`, `host` its `$host` (without port). Source: verify_https_client of apisix/init.lua.
 */
export function clientCertificateProblem(
  session: TlsSession,
  path: string,
  host: string,
): string | undefined {
  // Nothing can be said of a session from elsewhere.
  if (!(session instanceof ClientTlsSession)) return 'unknown TLS session';
  const { certificate, certificates, serverName } = session.origin;
  const openPaths = certificate.clients?.openPaths;
  if (openPaths !== undefined && !matchesAny(openPaths, path) && !isVerified(session)) {
    return unverified(session);
  }
  const table = certificates();
  if (table?.verifiesClients !== true) return undefined;
  const name = comparableName(host);
  const demanding = table.find(name);
  const clients = demanding?.clients;
  if (clients === undefined) return undefined;
  if (serverName !== name) {
    return `client certificate verified with SNI ${serverName}, but the host is ${name}`;
  }
  if (isVerified(session)) {
    return demanding?.id === certificate.id
      ? undefined
      : 'client certificate verified by another object';
  }
  return clients.openPaths !== undefined && matchesAny(clients.openPaths, path)
    ? undefined
    : unverified(session);
}

function isVerified(session: TlsSession): boolean {
  return session.clientVerify === 'SUCCESS';
}

function unverified({ clientVerify }: TlsSession): string {
  return clientVerify === 'NONE'
    ? 'client certificate was not present'
    : `client certificate verification is not passed: ${clientVerify}`;
}

/** A path longer than a pattern takes is not one that is left open. */
function matchesAny(patterns: readonly Pattern[], path: string): boolean {
  return patterns.some((pattern) => path.length <= pattern.subjectCharsMax && pattern.test(path));
}
