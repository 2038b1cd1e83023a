import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AddressTlsConfig, ListenTlsConfig, RunnerManagerConfig } from './gateway-config.ts';
import type { WrittenConfig } from './keys/known-keys.ts';
import type { Findings } from './keys/key-rules.ts';
import type { ReadContext } from './read-context.ts';

type Written = WrittenConfig['polygate']['runner_manager'];

const LISTEN_TLS = 'polygate.runner_manager.listen_tls';
const ADDRESS_TLS = 'polygate.runner_manager.address_tls';

/**
 * The certificates of the links to runner managers. They are looked at here, for gRPC would only say
 * that there is no connection.
 */
export function readRunnerManagerTls(
  written: Written,
  { listen, addresses }: Pick<RunnerManagerConfig, 'listen' | 'addresses'>,
  { findings }: ReadContext,
): Pick<RunnerManagerConfig, 'listenTls' | 'addressTls'> {
  const { listen_tls: ofListen, address_tls: ofAddress } = written;
  if (ofListen !== undefined && listen.startsWith('unix:')) {
    findings.problems.push(`${LISTEN_TLS}: needs runner_manager.listen to be <host>:<port>`);
  }
  if (ofAddress !== undefined && addresses.every((address) => address.startsWith('unix:'))) {
    findings.problems.push(`${ADDRESS_TLS}: needs an address that is <host>:<port>`);
  }
  return {
    ...(ofListen !== undefined && { listenTls: readListenTls(ofListen, findings) }),
    ...(ofAddress !== undefined && { addressTls: readAddressTls(ofAddress, findings) }),
  };
}

/** Who reaches a manager may run any call through any plugin, so all three are needed. */
function readListenTls(
  { cert = '', key = '', client_ca = '' }: NonNullable<Written['listen_tls']>,
  findings: Findings,
): ListenTlsConfig {
  for (const [name, file] of Object.entries({ cert, key, client_ca })) {
    if (file === '') findings.problems.push(`${LISTEN_TLS}.${name}: has to be written`);
  }
  checkPair(LISTEN_TLS, { cert, key }, findings);
  readCertificate(`${LISTEN_TLS}.client_ca`, client_ca, findings);
  return { certFile: resolve(cert), keyFile: resolve(key), clientCaFile: resolve(client_ca) };
}

function readAddressTls(
  { ca = '', cert = '', key = '', server_name }: NonNullable<Written['address_tls']>,
  findings: Findings,
): AddressTlsConfig {
  if ((cert === '') !== (key === '')) {
    findings.problems.push(`${ADDRESS_TLS}: cert and key belong together`);
  }
  checkPair(ADDRESS_TLS, { cert, key }, findings);
  readCertificate(`${ADDRESS_TLS}.ca`, ca, findings);
  return {
    ...(ca !== '' && { caFile: resolve(ca) }),
    ...(cert !== '' && { certFile: resolve(cert) }),
    ...(key !== '' && { keyFile: resolve(key) }),
    ...(server_name !== undefined && { serverName: server_name }),
  };
}

function checkPair(
  path: string,
  { cert, key }: { readonly cert: string; readonly key: string },
  findings: Findings,
): void {
  const certificate = readCertificate(`${path}.cert`, cert, findings);
  const privateKey = readPem(`${path}.key`, key, {
    what: 'no private key without a passphrase',
    parse: createPrivateKey,
    findings,
  });
  if (certificate === undefined || privateKey === undefined) return;
  if (certificate.checkPrivateKey(privateKey)) return;
  findings.problems.push(`${path}.key: ${key} is not the key of ${cert}`);
}

function readCertificate(
  path: string,
  file: string,
  findings: Findings,
): X509Certificate | undefined {
  const parse = (pem: Buffer): X509Certificate => new X509Certificate(pem);
  return readPem(path, file, { what: 'no certificate', parse, findings });
}

/** Undefined: nothing is written, or what is written is a problem. */
function readPem<T>(
  path: string,
  file: string,
  options: {
    /** What is there where it cannot be parsed. */
    readonly what: string;
    readonly parse: (pem: Buffer) => T;
    readonly findings: Findings;
  },
): T | undefined {
  if (file === '') return undefined;
  const { what, parse, findings } = options;
  let pem: Buffer;
  try {
    pem = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read (${code})`;
    findings.problems.push(`${path}: ${why}`);
    return undefined;
  }
  try {
    return parse(pem);
  } catch {
    findings.problems.push(`${path}: ${file} holds ${what} in PEM`);
    return undefined;
  }
}
