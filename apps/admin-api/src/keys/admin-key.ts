import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AdminKey } from '@polygate/chassis';
import type { Logger } from '@polygate/plugin-sdk';

const KEY_BYTES = 32;
const OTHERS_MAY_READ = 0o077;

interface AdminKeyOptions {
  /** Of the configuration file; when there are some, no file is read or written. */
  readonly configured: readonly AdminKey[];
  /** Where the generated key is kept. */
  readonly file: string;
  readonly log: Logger;
}

/**
 * The keys that open the Admin API: those of the configuration, or else one that was generated at
 * the first start and is kept in `file` (mode 0600). It is logged once, when it is generated.
 * Rejects when the file cannot be read or written, or holds no key: there is no built-in one to
 * fall back on.
 */
export async function resolveAdminKeys(options: AdminKeyOptions): Promise<readonly AdminKey[]> {
  const { configured, file, log } = options;
  if (configured.length > 0) return configured;
  const key = (await readKeyFile(file, log)) ?? (await generateKey(file, log));
  return [{ name: 'admin', key, role: 'admin' }];
}

async function readKeyFile(file: string, log: Logger): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const { mode } = await stat(file);
  if ((mode & OTHERS_MAY_READ) !== 0) {
    log.warn(`${file} could be read by other users of this machine: setting its mode to 0600`);
    await chmod(file, 0o600);
  }
  const key = text.trim();
  if (key === '') throw new Error(`${file} holds no key: delete it, and a new one is made`);
  return key;
}

async function generateKey(file: string, log: Logger): Promise<string> {
  const key = randomBytes(KEY_BYTES).toString('hex');
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // `wx`: a key that another process wrote in the meantime is an error, not lost
  await writeFile(file, `${key}\n`, { mode: 0o600, flag: 'wx' });
  log.warn(`made an Admin API key, kept in ${file} and shown only this once: ${key}`);
  return key;
}

export interface KeyRing {
  /** In time that does not depend on which key it is like, or how much. */
  find(token: string): AdminKey | undefined;
}

export function makeKeyRing(keys: readonly AdminKey[]): KeyRing {
  const digests = keys.map((key) => ({ key, digest: digestOf(key.key) }));
  return {
    find(token) {
      const digest = digestOf(token);
      let found: AdminKey | undefined;
      for (const candidate of digests) {
        if (timingSafeEqual(candidate.digest, digest)) found ??= candidate.key;
      }
      return found;
    },
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
