import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface IssuedPair {
  /** PEM; with the chain up to, and without, the root. */
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority {
  /** PEM, its own certificate alone. */
  readonly cert: string;
  issue(subject: string, options?: IssueOptions): IssuedPair;
  /** An authority below this one. */
  below(subject: string): TestAuthority;
}

export interface IssueOptions {
  readonly kind?: 'rsa' | 'ec';
  /** DNS names. */
  readonly names?: readonly string[];
}

/** Whether certificates can be made; where they must be (CI) and cannot, this throws. */
export function hasOpenssl(): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return true;
  assert(process.env['CI'] !== 'true', 'openssl must be on PATH in CI');
  process.stderr.write('SKIPPED: openssl is not on PATH\n');
  return false;
}

/** Makes certificates, valid for a day, in a folder that `dispose` removes. */
export class CertificateWorkshop {
  readonly #dir = mkdtempSync(join(tmpdir(), 'certificates-'));
  #count = 0;

  /** A root. `subject` as `/CN=name`. */
  authority(subject: string): TestAuthority {
    return this.#authority(subject, undefined, '');
  }

  dispose(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #authority(subject: string, parent: string | undefined, chainAbove: string): TestAuthority {
    const base = this.#make(subject, parent, {
      kind: 'ec',
      extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'],
    });
    const cert = readFileSync(`${base}.pem`, 'utf8');
    const chain = parent === undefined ? '' : cert + chainAbove;
    return {
      cert,
      issue: (name, { kind = 'ec', names = [] } = {}) => {
        const extensions = ['basicConstraints=critical,CA:FALSE'];
        if (names.length > 0) {
          extensions.push(`subjectAltName=${names.map((one) => `DNS:${one}`).join(',')}`);
        }
        const issued = this.#make(name, base, { kind, extensions });
        return {
          cert: readFileSync(`${issued}.pem`, 'utf8') + chain,
          key: readFileSync(`${issued}.key`, 'utf8'),
        };
      },
      below: (name) => this.#authority(name, base, chain),
    };
  }

  /** The path of the new files without their endings. */
  #make(
    subject: string,
    parent: string | undefined,
    { kind, extensions }: { kind: 'rsa' | 'ec'; extensions: readonly string[] },
  ): string {
    const base = join(this.#dir, String(this.#count++));
    const ecKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    const { status, stderr } = spawnSync('openssl', [
      ...['req', '-x509', '-nodes', '-days', '1', '-utf8', '-subj', subject],
      ...(kind === 'rsa' ? ['-newkey', 'rsa:2048'] : ecKey),
      ...(parent === undefined ? [] : ['-CA', `${parent}.pem`, '-CAkey', `${parent}.key`]),
      ...extensions.flatMap((extension) => ['-addext', extension]),
      ...['-keyout', `${base}.key`, '-out', `${base}.pem`],
    ]);
    assert.equal(status, 0, stderr.toString());
    return base;
  }
}
