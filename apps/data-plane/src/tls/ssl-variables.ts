import type { X509Certificate } from 'node:crypto';
import type { TlsSession } from '../request/exchange.ts';

type Reader = (session: TlsSession) => string | undefined;

const MS_PER_DAY = 86_400_000;

const READERS: Readonly<Record<string, Reader>> = {
  ssl_protocol: (session) => session.protocol,
  ssl_cipher: (session) => session.cipher,
  ssl_server_name: (session) => session.serverName,
  ssl_session_reused: (session) => (session.isResumed ? 'r' : '.'),
  ssl_client_verify: (session) => session.clientVerify,
  ssl_client_s_dn: ofCertificate(({ subject }) => rfc2253Name(subject)),
  ssl_client_i_dn: ofCertificate(({ issuer }) => rfc2253Name(issuer)),
  ssl_client_serial: ofCertificate(({ serialNumber }) => serialNumber),
  ssl_client_fingerprint: ofCertificate(({ fingerprint }) =>
    fingerprint.replaceAll(':', '').toLowerCase(),
  ),
  ssl_client_raw_cert: ofCertificate((certificate) => certificate.toString()),
  // With a tab before each line but the first: for use in a header, and outdated in nginx.
  ssl_client_cert: ofCertificate((certificate) => pem(certificate).replaceAll('\n', '\n\t')),
  ssl_client_escaped_cert: ofCertificate((certificate) => escapeUri(certificate.toString())),
  ssl_client_v_start: ofCertificate(({ validFrom }) => validFrom),
  ssl_client_v_end: ofCertificate(({ validTo }) => validTo),
  ssl_client_v_remain: ofCertificate(({ validToDate }) =>
    String(Math.max(0, Math.floor((validToDate.getTime() - Date.now()) / MS_PER_DAY))),
  ),
};

export const SSL_VARIABLE_NAMES: readonly string[] = Object.keys(READERS);

/**
 * nginx's variables about a client's TLS connection, by name (`ssl_…`); undefined where there is none
 * of that name or nothing to say. Source: ngx_http_ssl_module.
 */
export function sslVariable(session: TlsSession | undefined, name: string): string | undefined {
  if (session === undefined || !Object.hasOwn(READERS, name)) return undefined;
  return (READERS[name] as Reader)(session);
}

function ofCertificate(read: (certificate: X509Certificate) => string): Reader {
  return (session) => {
    const certificate = session.clientCertificate();
    return certificate === undefined ? undefined : read(certificate);
  };
}

/** Without the final newline. */
function pem(certificate: X509Certificate): string {
  return certificate.toString().trimEnd();
}

/**
 * Node has a name's parts in their order, one a line, and escapes as RFC 2253 but for non-ASCII; nginx
 * has them backwards with commas between, and every byte above 127 escaped.
 */
function rfc2253Name(lines: string | undefined): string {
  return (lines ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .reverse()
    .map((part) => part.replaceAll(' + ', '+').replaceAll(/[^\x00-\x7f]+/g, escapeBytes))
    .join(',');
}

function escapeBytes(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

/** As NGX_ESCAPE_URI_COMPONENT: all but letters, digits and `-._~`. */
function escapeUri(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
