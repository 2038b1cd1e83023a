import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CertificateTable } from './certificate-table.ts';
import { CertificateWorkshop, hasOpenssl } from './certificates.fixture.ts';
import type { IssuedPair, TestAuthority } from './certificates.fixture.ts';
import { UpstreamTlsCompiler } from './upstream-tls.ts';

describe.skipIf(!hasOpenssl())('TLS with upstreams', () => {
  const workshop = new CertificateWorkshop();
  let nodes: TestAuthority;
  let clients: TestAuthority;
  let jack: IssuedPair;
  let server: Server | undefined;

  beforeAll(() => {
    nodes = workshop.authority('/CN=nodes');
    clients = workshop.authority('/CN=clients');
    jack = clients.issue('/CN=jack');
  });
  afterEach(() => void server?.close());
  afterAll(() => workshop.dispose());

  /** Asks for a certificate, and answers with the name on the one it gets. */
  async function startNode(pair: IssuedPair): Promise<number> {
    server = createServer({
      ...pair,
      ca: clients.cert,
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      socket.on('error', () => undefined);
      socket.end(socket.authorized ? (socket.getPeerCertificate().subject.CN as string) : 'nobody');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function ask(
    port: number,
    tls: Readonly<Record<string, unknown>>,
    authorities: readonly string[],
  ): Promise<string> {
    const compiled = new UpstreamTlsCompiler(authorities).compile(
      { scheme: 'https', tls },
      new CertificateTable(),
    );
    if (compiled === undefined) return 'no TLS';
    const { secureContext, verify } = compiled;
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'node.test',
      secureContext,
      rejectUnauthorized: verify,
    });
    try {
      let answer = '';
      for await (const chunk of socket) answer += String(chunk);
      return answer;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }

  test('the client certificate is shown', async () => {
    const port = await startNode(nodes.issue('/CN=node', { names: ['node.test'] }));
    const tls = { client_cert: jack.cert, client_key: jack.key };
    expect(await ask(port, tls, [])).toBe('jack');
    expect(await ask(port, {}, [])).toBe('nobody');
  });

  test('a node is verified only where that is asked for, by authority and by name', async () => {
    const trusted = [nodes.cert];
    const port = await startNode(nodes.issue('/CN=node', { names: ['node.test'] }));
    expect(await ask(port, { verify: true }, trusted)).toBe('nobody');
    expect(await ask(port, { verify: true }, [clients.cert])).toBe(
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    );
    expect(await ask(port, { verify: false }, [clients.cert])).toBe('nobody');
    server?.close();
    const other = await startNode(nodes.issue('/CN=node', { names: ['other.test'] }));
    expect(await ask(other, { verify: true }, trusted)).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await ask(other, {}, trusted)).toBe('nobody');
  });

  test("without authorities of one's own the system's are asked", async () => {
    const port = await startNode(nodes.issue('/CN=node', { names: ['node.test'] }));
    const compiled = new UpstreamTlsCompiler(undefined).compile(
      { scheme: 'https', tls: { verify: true } },
      new CertificateTable(),
    );
    const socket = connect({
      port,
      servername: 'node.test',
      ...(compiled && { secureContext: compiled.secureContext }),
    });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });
});
