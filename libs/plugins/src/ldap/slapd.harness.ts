import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createTestCertificates } from '@polygate/testing';

const PROGRAMS = ['/usr/sbin/slapd', '/usr/sbin/slapadd', '/etc/ldap/schema/core.schema'];
const START_MS_MAX = 20_000;

/** A real OpenLDAP of its own on loopback. */
export interface Slapd {
  readonly port: number;
  readonly tlsPort: number;
  close(): Promise<void>;
}

/** Whether slapd is here. Without it a suite is skipped with a line on stderr; in CI this throws. */
export function hasSlapd(): boolean {
  if (PROGRAMS.every((file) => existsSync(file))) return true;
  assert(process.env['CI'] !== 'true', 'slapd must be installed in CI');
  process.stderr.write('SKIPPED: slapd is not installed\n');
  return false;
}

/** `people`: passwords by common name, below `ou=users,dc=example,dc=org`. */
export async function startSlapd(people: Readonly<Record<string, string>>): Promise<Slapd> {
  const dir = await mkdtemp(path.join(tmpdir(), 'slapd-'));
  const { serverCertFile, serverKeyFile, caFile } = await createTestCertificates(dir);
  await mkdir(path.join(dir, 'data'));
  const configFile = path.join(dir, 'slapd.conf');
  await writeFile(
    configFile,
    `include /etc/ldap/schema/core.schema
pidfile ${dir}/slapd.pid
TLSCACertificateFile ${caFile}
TLSCertificateFile ${serverCertFile}
TLSCertificateKeyFile ${serverKeyFile}
allow bind_anon_cred bind_anon_dn
database ldif
suffix "dc=example,dc=org"
directory ${dir}/data
`,
  );
  const entriesFile = path.join(dir, 'entries.ldif');
  await writeFile(entriesFile, entries(people));
  await promisify(execFile)('/usr/sbin/slapadd', ['-f', configFile, '-l', entriesFile]);
  const port = await freePort();
  const tlsPort = await freePort();
  const urls = `ldap://127.0.0.1:${port}/ ldaps://127.0.0.1:${tlsPort}/`;
  const child = spawn('/usr/sbin/slapd', ['-d', '0', '-f', configFile, '-h', urls], {
    stdio: 'ignore',
  });
  await listening(port);
  await listening(tlsPort);
  return {
    port,
    tlsPort,
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function entries(people: Readonly<Record<string, string>>): string {
  const person = ([name, password]: [string, string]) => {
    const dn = `cn=${name.replaceAll(',', '\\,')},ou=users,dc=example,dc=org`;
    return `dn: ${dn}\nobjectClass: person\ncn: ${name}\nsn: x\nuserPassword: ${password}\n`;
  };
  return [
    'dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: x\n',
    'dn: ou=users,dc=example,dc=org\nobjectClass: organizationalUnit\nou: users\n',
    ...Object.entries(people).map(person),
  ].join('\n');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listening(port: number): Promise<void> {
  for (const giveUpMs = Date.now() + START_MS_MAX; ; await sleep(20)) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (Date.now() > giveUpMs) throw new Error('slapd does not listen', { cause: error });
    } finally {
      socket.destroy();
    }
  }
}
