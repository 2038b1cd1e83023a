import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { UpstreamResource } from '@polygate/model';
import type { CertificateTable } from './certificate-table.ts';
import { digestOf } from './certificate.ts';
import type { ClientCertificate } from './certificate.ts';

/** How the gateway speaks TLS with the nodes of one upstream. */
export interface UpstreamTls {
  /** Connections of equal identity (and server name) may stand in for one another. */
  readonly identity: string;
  /** Client certificate and trusted authorities. */
  readonly secureContext: SecureContext;
  /** Whether a node must show a certificate for the server name from a trusted authority. */
  readonly verify: boolean;
}

interface WrittenTls {
  readonly client_cert_id?: string | number;
  readonly client_cert?: string;
  readonly client_key?: string;
  readonly verify?: boolean;
}

/** A client certificate that an upstream wants to show and that is not there. */
export class ClientCertificateError extends Error {}

/**
 * Makes the TLS settings of upstreams. What has no certificate of its own shares two contexts, since
 * one costs memory for each authority in it.
 */
export class UpstreamTlsCompiler {
  readonly #authorities: () => readonly string[];
  readonly #shared = new Map<boolean, SecureContext>();
  readonly #byCertificate = new WeakMap<ClientCertificate, Map<boolean, SecureContext>>();

  /** `authorities`: PEM texts; undefined: the system's, or Node's own where the system has none. */
  constructor(authorities: readonly string[] | undefined) {
    let system: readonly string[] | undefined;
    this.#authorities = () => authorities ?? (system ??= systemAuthorities());
  }

  /**
   * Undefined where the upstream does not speak TLS. APISIX's `verify` is for kafka only and nginx
   * verifies nothing; here it holds for https and grpcs. Throws ClientCertificateError where
   * `client_cert_id` refers to nothing of use, whatever the scheme, as resolve_upstream_client_cert of
   * apisix/init.lua answers 502 then; throws Error for a pair in the upstream that OpenSSL refuses.
   */
  compile(
    { scheme, tls }: Pick<UpstreamResource, 'scheme' | 'tls'>,
    certificates: CertificateTable,
  ): UpstreamTls | undefined {
    const written: WrittenTls = tls ?? {};
    const certificate = clientCertificateOf(written, certificates);
    if (scheme !== 'https' && scheme !== 'grpcs') return undefined;
    const verify = written.verify === true;
    return {
      identity: `${certificate?.digest ?? ''}${verify ? '+verify' : ''}`,
      secureContext: this.#contextFor(certificate, verify),
      verify,
    };
  }

  #contextFor(certificate: ClientCertificate | undefined, verify: boolean): SecureContext {
    const contexts = certificate === undefined ? this.#shared : this.#contextsOf(certificate);
    const known = contexts.get(verify);
    if (known !== undefined) return known;
    const made = createSecureContext({
      // An empty list keeps Node from loading its own authorities, which nobody would ask.
      ca: verify ? [...this.#authorities()] : [],
      ...(certificate && { cert: certificate.cert, key: certificate.key }),
    });
    contexts.set(verify, made);
    return made;
  }

  #contextsOf(certificate: ClientCertificate): Map<boolean, SecureContext> {
    let contexts = this.#byCertificate.get(certificate);
    if (contexts === undefined) {
      contexts = new Map();
      this.#byCertificate.set(certificate, contexts);
    }
    return contexts;
  }
}

function clientCertificateOf(
  { client_cert_id: id, client_cert: cert, client_key: key }: WrittenTls,
  certificates: CertificateTable,
): ClientCertificate | undefined {
  if (id !== undefined) {
    const found = certificates.clientCertificate(String(id));
    if (typeof found !== 'string') return found;
    throw new ClientCertificateError(`failed to get ssl cert: ${found}`);
  }
  if (cert === undefined || key === undefined) return undefined;
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new Error('tls.client_key does not belong to tls.client_cert');
  }
  return { kind: 'client', id: '', digest: digestOf(cert, key), cert, key };
}

function systemAuthorities(): readonly string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('bundled');
}
