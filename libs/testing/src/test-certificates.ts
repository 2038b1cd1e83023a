import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** PEM files: an authority, a server certificate for 127.0.0.1 and localhost, a client's. */
export interface TestCertificates {
  readonly caFile: string;
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
}

const SERVER_EXTENSIONS = `subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:etcd.test
extendedKeyUsage=serverAuth,clientAuth
`;
const CLIENT_EXTENSIONS = 'extendedKeyUsage=clientAuth\n';

/** Makes them with openssl in `dir`, valid for a day. */
export async function createTestCertificates(dir: string): Promise<TestCertificates> {
  const file = (name: string) => path.join(dir, name);
  const openssl = (...args: string[]) => promisify(execFile)('openssl', args);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const caFile = file('ca.pem');
  const caKeyFile = file('ca.key');
  await openssl(
    ...['req', '-x509', ...newKey, '-days', '1', '-subj', '/CN=test authority'],
    ...['-keyout', caKeyFile, '-out', caFile],
  );
  const sign = async (name: string, extensions: string) => {
    const key = file(`${name}.key`);
    const certificate = file(`${name}.pem`);
    const request = file(`${name}.csr`);
    await writeFile(file(`${name}.ext`), extensions);
    await openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', key, '-out', request);
    await openssl(
      ...['x509', '-req', '-days', '1', '-in', request, '-out', certificate],
      ...['-CA', caFile, '-CAkey', caKeyFile, '-CAcreateserial'],
      ...['-extfile', file(`${name}.ext`)],
    );
    return [certificate, key] as const;
  };
  const [serverCertFile, serverKeyFile] = await sign('server', SERVER_EXTENSIONS);
  const [clientCertFile, clientKeyFile] = await sign('client', CLIENT_EXTENSIONS);
  return { caFile, serverCertFile, serverKeyFile, clientCertFile, clientKeyFile };
}
