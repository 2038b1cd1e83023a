import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ClientVerification } from './certificate.ts';

/**
 * nginx's `$ssl_client_verify` for a client that showed a certificate: `SUCCESS` or `FAILED:reason`.
 * Node has OpenSSL verify the chain; how long it may be is looked at here, as Node cannot say it.
 */
export function verificationOf(
  socket: TLSSocket,
  certificate: X509Certificate,
  { authorities, depthMax }: ClientVerification,
): string {
  if (!socket.authorized) return `FAILED:${reasonOf(socket.authorizationError)}`;
  const depth = chainDepth(certificate, authorities);
  return depth !== undefined && depth <= depthMax ? 'SUCCESS' : 'FAILED:certificate chain too long';
}

/** Longer than any chain OpenSSL would have followed. */
const CHAIN_LENGTH_MAX = 100;

/**
 * The number of authorities between a certificate and the root that ends its chain, as OpenSSL counts
 * for `SSL_set_verify_depth`. Trusted authorities go before those the client sent. Undefined: no chain
 * was found that way.
 */
function chainDepth(
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
): number | undefined {
  let current = certificate;
  for (let issuers = 0; issuers < CHAIN_LENGTH_MAX; issuers++) {
    if (hasIssued(current, current)) return Math.max(issuers - 1, 0);
    const trusted = authorities.find((authority) => hasIssued(authority, current));
    // Node links what the client sent by names only, so signatures are checked again.
    const sent: X509Certificate | undefined = current.issuerCertificate;
    const issuer = trusted ?? (sent !== undefined && hasIssued(sent, current) ? sent : undefined);
    if (issuer === undefined) return undefined;
    current = issuer;
  }
  return undefined;
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** OpenSSL's words, which nginx shows, for the codes that Node has. */
const REASONS: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to verify the first certificate',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self-signed certificate in certificate chain',
  CERT_SIGNATURE_FAILURE: 'certificate signature failure',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_CHAIN_TOO_LONG: 'certificate chain too long',
  CERT_REVOKED: 'certificate revoked',
  INVALID_CA: 'invalid CA certificate',
  PATH_LENGTH_EXCEEDED: 'path length constraint exceeded',
  INVALID_PURPOSE: 'unsuitable certificate purpose',
  CERT_UNTRUSTED: 'certificate not trusted',
  CERT_REJECTED: 'certificate rejected',
};

/** Declared as an Error, Node gives the code as a text. */
function reasonOf(error: unknown): string {
  const code = String(error);
  return REASONS[code] ?? code.toLowerCase().replaceAll('_', ' ');
}
