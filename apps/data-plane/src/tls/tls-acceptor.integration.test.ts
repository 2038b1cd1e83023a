import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { CertificateWorkshop, hasOpenssl } from './certificates.fixture.ts';
import type { IssuedPair, TestAuthority } from './certificates.fixture.ts';
import { clientCertificateProblem } from './client-certificate-problem.ts';
import { sslVariable } from './ssl-variables.ts';
import { echo, outcomeOf, secured, startEchoServer } from './tls-acceptor.harness.ts';
import type { EchoServer } from './tls-acceptor.harness.ts';
import { createTlsSecrets, tlsSettings } from './tls-settings.ts';

describe.skipIf(!hasOpenssl())('TLS with clients', () => {
  const workshop = new CertificateWorkshop();
  let root: TestAuthority;
  let a: IssuedPair;
  let b: IssuedPair;
  let server: EchoServer | undefined;
  const sockets: Socket[] = [];

  beforeAll(() => {
    root = workshop.authority('/CN=servers');
    a = root.issue('/CN=a', { names: ['a.test'] });
    b = root.issue('/CN=b', { names: ['*.b.test'] });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await server?.stop();
    server = undefined;
  });
  afterAll(() => workshop.dispose());

  async function start(...args: Parameters<typeof startEchoServer>): Promise<EchoServer> {
    server = await startEchoServer(...args);
    return server;
  }

  function plain({ port }: EchoServer): Socket {
    const socket = connectPlain(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    return socket;
  }

  /** All that the server sends until it closes. */
  async function answer(socket: Socket): Promise<Buffer> {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'close');
    return Buffer.concat(chunks);
  }

  const subjectFor = async (running: EchoServer, options: ConnectionOptions) => {
    const client = await secured(running.connect(options));
    const { subject } = client.getPeerCertificate();
    expect(await echo(client)).toBe('ping');
    client.destroy();
    return subject.CN;
  };

  test('the server name chooses the certificate, whatever its case', async () => {
    const running = await start([
      { sni: 'a.test', ...a },
      { snis: ['*.b.test', 'b.test'], ...b },
    ]);
    expect(await subjectFor(running, { servername: 'a.test' })).toBe('a');
    expect(await subjectFor(running, { servername: 'X.B.test' })).toBe('b');
    expect(await subjectFor(running, { servername: 'b.test' })).toBe('b');
    expect(running.connections.map(({ session }) => session.serverName)).toEqual([
      'a.test',
      'x.b.test',
      'b.test',
    ]);
    expect(running.acceptor.counts).toMatchObject({ completed: 3, pending: 0, failed: 0 });
  });

  test('a name that no certificate is for ends with unrecognized_name', async () => {
    const running = await start([{ sni: 'a.test', ...a }]);
    const outcome = await outcomeOf(running.connect({ servername: 'b.test' }));
    expect(outcome).toBe('alert 112');
    expect(running.log.lines).toEqual([
      'error: failed to match any SSL certificate by SNI: b.test',
    ]);
    expect(running.acceptor.counts).toMatchObject({ unknownName: 1, pending: 0 });
  });

  test('without a name there is the fallback, or no connection', async () => {
    const running = await start([{ sni: 'a.test', ...a }]);
    expect(await outcomeOf(running.connect())).toBe('alert 109');
    expect(running.log.lines[0]).toMatch(/^error: failed to find SNI: please check/);
    await running.stop();
    const falling = await start([{ sni: 'a.test', ...a }], {
      settings: { fallbackServerName: 'A.test.' },
    });
    expect(await subjectFor(falling, {})).toBe('a');
    expect(falling.connections[0]?.session.serverName).toBeUndefined();
  });

  test('a new certificate serves new connections, and old ones live on', async () => {
    const running = await start([{ sni: 'a.test', ...a }]);
    const old = await secured(running.connect({ servername: 'a.test' }));
    running.serve([{ sni: 'a.test', ...b }]);
    expect(await subjectFor(running, { servername: 'a.test' })).toBe('b');
    expect(await echo(old)).toBe('ping');
    running.serve([]);
    expect(await outcomeOf(running.connect({ servername: 'a.test' }))).toBe('alert 112');
    expect(await echo(old)).toContain('ping');
    old.destroy();
  });

  test('with RSA and ECDSA the client has the choice, and ECDSA goes first', async () => {
    const rsa = root.issue('/CN=rsa', { kind: 'rsa', names: ['a.test'] });
    const running = await start([{ sni: 'a.test', ...rsa, certs: [a.cert], keys: [a.key] }]);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { servername: 'a.test', maxVersion };
      expect(await subjectFor(running, options)).toBe('a');
      const onlyRsa = { ...options, sigalgs: 'RSA-PSS+SHA256:RSA+SHA256' };
      expect(await subjectFor(running, onlyRsa)).toBe('rsa');
    }
  });

  test('an object speaks its own protocols, and the configured ones if it names none', async () => {
    const running = await start(
      [
        { sni: 'a.test', ...a, ssl_protocols: ['TLSv1.3'] },
        { sni: 'x.b.test', ...b },
        { sni: 'old.test', ...b, ssl_protocols: ['TLSv1.1', 'TLSv1.3'] },
      ],
      { settings: { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA' } },
    );
    const speak = async (servername: string, version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') =>
      outcomeOf(
        running.connect({
          servername,
          minVersion: version,
          maxVersion: version,
          ciphers: 'DEFAULT:@SECLEVEL=0:TLS_AES_128_GCM_SHA256',
        }),
      );
    const refused = 'alert 70';
    expect(await speak('a.test', 'TLSv1.2')).toBe(refused);
    expect(await speak('a.test', 'TLSv1.3')).toBe('open');
    expect(await speak('x.b.test', 'TLSv1.1')).toBe(refused);
    expect(await speak('x.b.test', 'TLSv1.2')).toBe('open');
    expect(await speak('old.test', 'TLSv1.1')).toBe('open');
    // The server offers TLS 1.1, which this client does not take.
    expect(await speak('old.test', 'TLSv1.2')).toBe('EPROTO');
    expect(await speak('old.test', 'TLSv1.3')).toBe('open');
  });

  test('h2 is agreed on where it is on, and other protocols end the handshake', async () => {
    const running = await start([{ sni: 'a.test', ...a }]);
    const agree = async (...ALPNProtocols: string[]) => {
      const client = running.connect({ servername: 'a.test', ALPNProtocols });
      return [await outcomeOf(client), running.connections.at(-1)?.alpnProtocol];
    };
    expect(await agree('http/1.1', 'h2')).toEqual(['open', 'h2']);
    expect(await agree('http/1.0')).toEqual(['open', 'http/1.0']);
    expect(await agree()).toEqual(['open', false]);
    expect((await agree('spdy/3'))[0]).toBe('alert 120');
    await running.stop();
    const older = await start([{ sni: 'a.test', ...a }], { settings: { http2: false } });
    await outcomeOf(older.connect({ servername: 'a.test', ALPNProtocols: ['h2', 'http/1.1'] }));
    expect(older.connections[0]?.alpnProtocol).toBe('http/1.1');
  });

  test('a hello that comes byte by byte, with data right behind it, loses nothing', async () => {
    const running = await start([{ sni: 'a.test', ...a }]);
    const slow = plain(running);
    await once(slow, 'connect');
    const client = running.connect({ servername: 'a.test', socket: slow });
    const write = slow.write.bind(slow);
    vi.spyOn(slow, 'write').mockImplementation((data: unknown) => {
      for (const byte of data as Buffer) write(Buffer.from([byte]));
      return true;
    });
    const text = 'x'.repeat(300_000);
    expect(await echo(client, text)).toBe(text);
  });

  describe('what is no handshake', () => {
    test('plain HTTP is told so', async () => {
      const running = await start([{ sni: 'a.test', ...a }]);
      const socket = plain(running);
      socket.end('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
      const text = (await answer(socket)).toString();
      expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
      expect(text).toContain('The plain HTTP request was sent to HTTPS port');
      expect(running.acceptor.counts).toMatchObject({ malformed: 1, pending: 0 });
    });

    test('other bytes are closed upon without an answer', async () => {
      const running = await start([{ sni: 'a.test', ...a }]);
      const socket = plain(running);
      socket.write(Buffer.from('80402a0102030405', 'hex'));
      expect((await answer(socket)).length).toBe(0);
      expect(running.acceptor.counts.malformed).toBe(1);
    });

    test('a hello that breaks the rules gets the alert that says so', async () => {
      const running = await start([{ sni: 'a.test', ...a }]);
      const socket = plain(running);
      socket.write(Buffer.from('160301000401000000', 'hex'));
      expect([...(await answer(socket))]).toEqual([21, 3, 3, 0, 2, 2, 50]);
    });

    test('a hello of which OpenSSL makes nothing ends with its alert', async () => {
      const running = await start([{ sni: 'a.test', ...a }]);
      const client = running.connect({
        servername: 'a.test',
        maxVersion: 'TLSv1.2',
        ciphers: 'AES128-SHA',
      });
      expect(await outcomeOf(client)).toBe('alert 40');
      await vi.waitFor(() =>
        expect(running.acceptor.counts).toMatchObject({ failed: 1, pending: 0 }),
      );
      expect(running.log.lines[0]).toMatch(/^info: TLS handshake failed: no shared cipher/);
    });

    test('who is slow is cut off, before and in the handshake', async () => {
      const running = await start([{ sni: 'a.test', ...a }], {
        acceptor: { handshakeTimeoutMs: 200 },
      });
      const silent = plain(running);
      const begun = plain(running);
      begun.write(Buffer.from([22, 3, 1]));
      const stalled = plain(running);
      // It sends its hello, and hears nothing of what comes back.
      const deaf = new Duplex({
        write: (chunk: Buffer, _encoding, done) => void stalled.write(chunk, done),
        read: () => undefined,
      });
      const client = running.connect({ servername: 'a.test', socket: deaf });
      const answers = await Promise.all([answer(silent), answer(begun), answer(stalled)]);
      expect(answers.map(({ length }) => length > 0)).toEqual([false, false, true]);
      expect(running.acceptor.counts).toMatchObject({ timedOut: 3, pending: 0 });
      client.destroy();
    });

    test('who goes away is forgotten', async () => {
      const running = await start([{ sni: 'a.test', ...a }]);
      const socket = plain(running);
      socket.end(Buffer.from([22, 3, 1]));
      await answer(socket);
      const reset = plain(running);
      await once(reset, 'connect');
      reset.write(Buffer.from([22, 3, 1]));
      await vi.waitFor(() => expect(running.acceptor.counts.pending).toBe(1));
      reset.resetAndDestroy();
      await vi.waitFor(() =>
        expect(running.acceptor.counts).toMatchObject({ failed: 2, pending: 0 }),
      );
    });

    test('over the limit connections are closed at once', async () => {
      const running = await start([{ sni: 'a.test', ...a }], {
        acceptor: { handshakesPendingMax: 1 },
      });
      const first = plain(running);
      await vi.waitFor(() => expect(running.acceptor.counts.pending).toBe(1));
      await answer(plain(running));
      expect(running.acceptor.counts).toMatchObject({ overLimit: 1, pending: 1 });
      first.destroy();
      await vi.waitFor(() => expect(running.acceptor.counts.pending).toBe(0));
      expect(await outcomeOf(running.connect({ servername: 'a.test' }))).toBe('open');
    });

    test('the log has a limit', async () => {
      const running = await start([]);
      for (let i = 0; i < 15; i++) await outcomeOf(running.connect({ servername: 'a.test' }));
      expect(running.log.lines.length).toBeLessThan(15);
      expect(running.acceptor.counts.unknownName).toBe(15);
    });
  });

  describe('sessions', () => {
    const ssl = {
      protocols: ['TLSv1.2', 'TLSv1.3'] as const,
      ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
      http2: false,
      fallbackServerName: undefined,
    };

    /** Connects twice; whether the second resumed, as both sides see it. */
    async function resumes(
      first: EchoServer,
      second: EchoServer,
      options: ConnectionOptions,
      later: ConnectionOptions = options,
    ): Promise<boolean> {
      const client = first.connect({ servername: 'a.test', ...options });
      // The last one: TLS 1.3 sends two, and a client uses each once.
      let session: Buffer | undefined;
      client.on('session', (made: Buffer) => (session = made));
      await echo(client);
      await vi.waitFor(() => expect(session).toBeDefined());
      client.destroy();
      const again = second.connect({
        servername: 'a.test',
        ...later,
        ...(session && { session }),
      });
      await echo(again);
      const resumed = again.isSessionReused();
      expect(second.connections.at(-1)?.session.isResumed).toBe(resumed);
      again.destroy();
      return resumed;
    }

    test.each([
      ['TLSv1.2', true],
      ['TLSv1.3', true],
      ['TLSv1.2', false],
      ['TLSv1.3', false],
    ] as const)('%s resumes at any worker (tickets: %s)', async (maxVersion, sessionTickets) => {
      const secrets = createTlsSecrets();
      const settings = () => tlsSettings({ ...ssl, sessionTickets }, secrets);
      const first = await start([{ sni: 'a.test', ...a }], { settings: settings() });
      const second = await startEchoServer([{ sni: 'a.test', ...a }], { settings: settings() });
      try {
        expect(await resumes(first, first, { maxVersion })).toBe(true);
        expect(await resumes(first, second, { maxVersion })).toBe(true);
      } finally {
        await second.stop();
      }
    });

    test('neither another process nor another object resumes a session', async () => {
      const settings = () => tlsSettings({ ...ssl, sessionTickets: true }, createTlsSecrets());
      const ssls = [
        { sni: 'a.test', ...a },
        { sni: 'x.b.test', ...b },
      ];
      const first = await start(ssls, { settings: settings() });
      const second = await startEchoServer(ssls, { settings: settings() });
      try {
        for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
          expect(await resumes(first, second, { maxVersion })).toBe(false);
          const other = { servername: 'x.b.test', maxVersion };
          expect(await resumes(first, first, { maxVersion }, other)).toBe(false);
        }
      } finally {
        await second.stop();
      }
    });
  });

  describe('client certificates', () => {
    let clients: TestAuthority;
    let good: IssuedPair;
    let stranger: IssuedPair;

    beforeAll(() => {
      clients = workshop.authority('/CN=clients');
      good = clients.issue('/O=Jack, Inc./CN=jack');
      stranger = workshop.authority('/CN=strangers').issue('/CN=stranger');
    });

    /** As the gateway would answer: the problem, or `served`. */
    const problem = (running: EchoServer, path: string, host: string) => {
      const session = running.connections.at(-1)?.session;
      if (session === undefined) throw new Error('no connection');
      return clientCertificateProblem(session, path, host) ?? 'served';
    };

    test('are demanded in the handshake', async () => {
      const running = await start([
        { sni: 'a.test', ...a, client: { ca: clients.cert, depth: 1 } },
        { sni: 'x.b.test', ...b },
      ]);
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        const options = { servername: 'a.test', maxVersion };
        expect(await outcomeOf(running.connect({ ...options, ...good }))).toBe('open');
        expect(await outcomeOf(running.connect({ ...options, ...stranger }))).not.toBe('open');
        expect(await outcomeOf(running.connect(options))).not.toBe('open');
        expect(await outcomeOf(running.connect({ ...options, servername: 'x.b.test' }))).toBe(
          'open',
        );
      }
      expect(running.connections.map(({ session }) => session.clientVerify)).toEqual([
        'SUCCESS',
        'NONE',
        'SUCCESS',
        'NONE',
      ]);
    });

    test('a host that demands them is not reached under another name', async () => {
      const running = await start([
        { sni: 'a.test', ...a, client: { ca: clients.cert, depth: 1 } },
        { sni: '*.b.test', ...b },
      ]);
      await outcomeOf(running.connect({ servername: 'x.b.test' }));
      expect(problem(running, '/', 'y.b.test')).toBe('served');
      expect(problem(running, '/', 'unknown.test')).toBe('served');
      for (const host of ['a.test', 'A.test', 'a.test.']) {
        expect(problem(running, '/', host)).toBe(
          'client certificate verified with SNI x.b.test, but the host is a.test',
        );
      }
      await outcomeOf(running.connect({ servername: 'a.test', ...good }));
      expect(problem(running, '/', 'a.test')).toBe('served');
      expect(problem(running, '/', 'x.b.test')).toBe('served');
    });

    test('may be left out for some paths', async () => {
      const running = await start([
        {
          sni: 'a.test',
          ...a,
          client: { ca: clients.cert, depth: 1, skip_mtls_uri_regex: ['^/hello[0-9]+$'] },
        },
      ]);
      const attempts = [
        [{}, 'client certificate was not present'],
        [
          stranger,
          'client certificate verification is not passed: ' +
            'FAILED:unable to verify the first certificate',
        ],
        [good, 'served'],
      ] as const;
      for (const [pair, otherwise] of attempts) {
        expect(await outcomeOf(running.connect({ servername: 'a.test', ...pair }))).toBe('open');
        expect(problem(running, '/hello1', 'a.test')).toBe('served');
        expect(problem(running, '/hello', 'a.test')).toBe(otherwise);
        expect(problem(running, '/hello', 'other.test')).toBe(otherwise);
      }
    });

    test('that are demanded from now on are missed on connections from before', async () => {
      const running = await start([{ sni: 'a.test', ...a }]);
      const client = await secured(running.connect({ servername: 'a.test', ...good }));
      await echo(client);
      expect(problem(running, '/', 'a.test')).toBe('served');
      running.serve([{ sni: 'a.test', ...a, client: { ca: clients.cert, depth: 1 } }]);
      expect(problem(running, '/', 'a.test')).toBe('client certificate was not present');
      client.destroy();
    });

    test('may have only so many authorities above them', async () => {
      const deep = clients.below('/CN=first').below('/CN=second').issue('/CN=deep');
      for (const [depth, opens] of [
        [0, false],
        [1, false],
        [2, true],
      ] as const) {
        const running = await start([{ sni: 'a.test', ...a, client: { ca: clients.cert, depth } }]);
        expect(await outcomeOf(running.connect({ servername: 'a.test', ...good }))).toBe('open');
        const outcome = await outcomeOf(running.connect({ servername: 'a.test', ...deep }));
        expect([depth, outcome === 'open']).toEqual([depth, opens]);
        await running.stop();
      }
    });

    test('end no session early: one made with them is never resumed', async () => {
      for (const sessionTickets of [true, false]) {
        const settings = tlsSettings(
          {
            protocols: ['TLSv1.2', 'TLSv1.3'],
            ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
            http2: false,
            fallbackServerName: undefined,
            sessionTickets,
          },
          createTlsSecrets(),
        );
        const ssls = [{ sni: 'a.test', ...a, client: { ca: clients.cert, depth: 1 } }];
        const running = await start(ssls, { settings });
        for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
          const options = { servername: 'a.test', maxVersion, ...good };
          const client = running.connect(options);
          let session: Buffer | undefined;
          client.on('session', (made: Buffer) => (session = made));
          await echo(client);
          client.destroy();
          const again = running.connect({ ...options, ...(session && { session }) });
          await echo(again);
          expect(again.isSessionReused()).toBe(false);
          again.destroy();
        }
        await running.stop();
      }
    });

    test('have variables', async () => {
      const running = await start([
        { sni: 'a.test', ...a, client: { ca: clients.cert, depth: 1 } },
      ]);
      await outcomeOf(running.connect({ servername: 'a.test', ...good }));
      const session = running.connections[0]?.session;
      const read = (name: string) => sslVariable(session, name);
      expect(read('ssl_client_s_dn')).toBe('CN=jack,O=Jack\\, Inc.');
      expect(read('ssl_client_i_dn')).toBe('CN=clients');
      expect(read('ssl_client_verify')).toBe('SUCCESS');
      expect(read('ssl_client_raw_cert')).toBe(good.cert);
      expect(read('ssl_protocol')).toBe('TLSv1.3');
      expect(read('ssl_cipher')).toBe('TLS_AES_256_GCM_SHA384');
      expect(read('ssl_server_name')).toBe('a.test');
      expect(read('ssl_session_reused')).toBe('.');
    });
  });
});
