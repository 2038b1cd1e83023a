import type { ClientCertificate, CompiledSsl, ServerCertificate } from './certificate.ts';
import { comparableName, SniIndex } from './sni-index.ts';

/** The `ssls` objects of one configuration. Does not change. */
export class CertificateTable {
  /** Whether any object asks clients for certificates. */
  readonly verifiesClients: boolean;
  readonly #servers: SniIndex<ServerCertificate>;
  readonly #clients: ReadonlyMap<string, ClientCertificate>;
  readonly #ids: ReadonlySet<string>;
  readonly #fallbackName: string | undefined;

  /** `fallbackName`: stands in for clients that send no name. */
  constructor(ssls: readonly CompiledSsl[] = [], fallbackName?: string) {
    const servers = ssls
      .filter((ssl) => ssl.kind === 'server')
      .sort((a, b) => a.createdIndex - b.createdIndex);
    this.verifiesClients = servers.some(({ clients }) => clients !== undefined);
    this.#servers = new SniIndex(servers);
    const clients = ssls.filter((ssl) => ssl.kind === 'client');
    this.#clients = new Map(clients.map((client) => [client.id, client]));
    this.#ids = new Set(ssls.map(({ id }) => id));
    this.#fallbackName = fallbackName === undefined ? undefined : comparableName(fallbackName);
  }

  /** The name to look up for a client that sent this one; undefined: it sent none and nothing stands in. */
  serverNameFor(sent: string | undefined): string | undefined {
    return sent === undefined ? this.#fallbackName : comparableName(sent);
  }

  /** `name`: from `serverNameFor`, or a host in lower case. */
  find(name: string): ServerCertificate | undefined {
    return this.#servers.find(name);
  }

  /** What `client_cert_id` of an upstream refers to; a text says what is wrong with it. */
  clientCertificate(id: string): ClientCertificate | string {
    const certificate = this.#clients.get(id);
    if (certificate !== undefined) return certificate;
    return this.#ids.has(id) ? "ssl type should be 'client'" : `ssl id [${id}] not exits`;
  }
}
