import { readFileSync } from 'node:fs';
import type { ClientTls } from './connect-options.ts';
import type { ServerTls } from './server.ts';

/** Of a server that lets in only clients with a certificate of its authority. */
export interface ServerTlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
}

export interface ClientTlsFiles {
  /** Undefined: the system's authorities. */
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly serverName?: string | undefined;
}

/** @throws the system's error when a file cannot be read. */
export function readServerTls({ certFile, keyFile, clientCaFile }: ServerTlsFiles): ServerTls {
  return {
    certificate: readFileSync(certFile),
    privateKey: readFileSync(keyFile),
    clientAuthority: readFileSync(clientCaFile),
  };
}

/** @throws the system's error when a file cannot be read. */
export function readClientTls(files: ClientTlsFiles): ClientTls {
  const read = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file));
  return {
    certificateAuthority: read(files.caFile),
    certificate: read(files.certFile),
    privateKey: read(files.keyFile),
    serverName: files.serverName,
  };
}
