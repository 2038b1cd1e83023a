import { constants, createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { compilePattern } from '@polygate/model';
import type { Pattern, SslResource } from '@polygate/model';
import { createHandshakeServer } from './handshake-server.ts';
import type { HandshakeServer } from './handshake-server.ts';
import { comparableName } from './sni-index.ts';
import type { Named } from './sni-index.ts';
import { protocolOptions, SESSION_LIFETIME_SECONDS } from './tls-settings.ts';
import type { TlsSettings } from './tls-settings.ts';

/** An `ssls` object that clients are answered with. */
export interface ServerCertificate extends Named {
  readonly kind: 'server';
  readonly id: string;
  readonly createdIndex: number;
  readonly handshakes: HandshakeServer;
  /** Undefined: clients need no certificate. */
  readonly clients: ClientVerification | undefined;
}

export interface ClientVerification {
  readonly authorities: readonly X509Certificate[];
  /** Authorities allowed between the client's certificate and a root. */
  readonly depthMax: number;
  /** Undefined: without a good certificate there is no connection. Else it is asked for by path. */
  readonly openPaths: readonly Pattern[] | undefined;
}

/** An `ssls` object that the gateway shows to upstreams. */
export interface ClientCertificate {
  readonly kind: 'client';
  readonly id: string;
  /** Changes with certificate or key. */
  readonly digest: string;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/** `off`: neither served nor found by its names. */
export type CompiledSsl =
  ServerCertificate | ClientCertificate | { readonly kind: 'off'; readonly id: string };

export interface SslItem {
  readonly id: string;
  readonly createdIndex: number;
  /** With keys in clear and references resolved. */
  readonly value: SslResource;
}

/**
 * Makes the SecureContext of the object, about 0.4 ms and up to 40 KB. Throws, with a reason to show,
 * where a certificate or key cannot be read, they do not belong together, or OpenSSL refuses them.
 * An object of type client is used whatever its status: get_by_id of radixtree_sni.lua.
 */
export function compileSsl(
  { id, createdIndex, value }: SslItem,
  settings: TlsSettings,
): CompiledSsl {
  const pairs = keyPairs(value);
  if (value.type === 'client') {
    const { cert, key } = value;
    return { kind: 'client', id, digest: digestOf(cert, key), cert, key };
  }
  if (value.status === 0) return { kind: 'off', id };
  const { client } = value;
  return {
    kind: 'server',
    id,
    createdIndex,
    names: (value.snis ?? [value.sni ?? '']).map(comparableName),
    isList: value.snis !== undefined,
    handshakes: createHandshakeServer(
      serverOptions(id, { value, pairs, settings }),
      client === undefined ? settings.sessions : undefined,
    ),
    clients: client && {
      authorities: readCertificates(client.ca),
      depthMax: client.depth,
      openPaths: client.skip_mtls_uri_regex?.map((pattern) => compilePattern(pattern)),
    },
  };
}

interface KeyPair {
  /** PEM, with the chain. */
  readonly cert: string;
  readonly key: string;
}

/**
 * One pair for each kind of key, the last one written, as OpenSSL has a place for one of each: where
 * the client takes either, ECDSA goes before RSA.
 */
function keyPairs({ cert, key, certs = [], keys = [] }: SslResource): readonly KeyPair[] {
  if (certs.length !== keys.length) throw new Error('mismatched number of certs and keys');
  const pairs = new Map<string, KeyPair>();
  pairs.set(kindOfPair(cert, key), { cert, key });
  certs.forEach((one, i) => {
    const pair = { cert: one, key: keys[i] as string };
    try {
      pairs.set(kindOfPair(pair.cert, pair.key), pair);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`failed to handle cert-key pair[${i + 1}]: ${reason}`, { cause });
    }
  });
  return [...pairs.values()];
}

function kindOfPair(cert: string, key: string): string {
  const certificate = explain('failed to parse cert', () => new X509Certificate(cert));
  const privateKey = explain('failed to parse key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error('failed to parse key: it does not belong to the certificate');
  }
  return privateKey.asymmetricKeyType ?? '';
}

/** OpenSSL's messages name no secrets, but nor do they say what was read. */
function explain<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`${what}: ${code ?? 'it is no PEM'}`, { cause });
  }
}

function serverOptions(
  id: string,
  {
    value,
    pairs,
    settings,
  }: { value: SslResource; pairs: readonly KeyPair[]; settings: TlsSettings },
) {
  const { client } = value;
  const protocols = protocolOptions(value.ssl_protocols ?? settings.protocols, settings.ciphers);
  // A session made with a client certificate is not resumed: what was looked at then (the chain's
  // length, an authority that is gone since) could not be looked at again.
  const ticketKeys = client === undefined ? settings.ticketKeys : undefined;
  return {
    ...protocols,
    secureOptions:
      protocols.secureOptions | (ticketKeys === undefined ? constants.SSL_OP_NO_TICKET : 0),
    cert: pairs.map(({ cert }) => cert),
    key: pairs.map(({ key }) => key),
    // An empty list, so that Node does not load its own authorities into each context.
    ca: client === undefined ? [] : [client.ca],
    requestCert: client !== undefined,
    rejectUnauthorized: client !== undefined && client.skip_mtls_uri_regex === undefined,
    ALPNProtocols: [...(settings.http2 ? ['h2'] : []), 'http/1.1', 'http/1.0'],
    // Sessions of one object are not good for another, nor for the object with other authorities.
    sessionIdContext: digestOf(id, client?.ca ?? '').slice(0, 32),
    sessionTimeout: SESSION_LIFETIME_SECONDS,
    ...(ticketKeys && { ticketKeys }),
  };
}

const PEM = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END [A-Z0-9 ]+-----/g;

function readCertificates(pem: string): readonly X509Certificate[] {
  const parts = pem.match(PEM) ?? [];
  if (parts.length === 0) throw new Error('failed to validate client_cert: there is none in it');
  return parts.map((part) =>
    explain('failed to validate client_cert', () => new X509Certificate(part)),
  );
}

/** Of texts in this order. */
export function digestOf(...texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest('hex');
}
