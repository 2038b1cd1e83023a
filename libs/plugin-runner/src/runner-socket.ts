import { randomBytes } from 'node:crypto';
import { chmod, lstat, rename, unlink } from 'node:fs/promises';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';

/**
 * Binds beside the path and moves the socket there when its mode is right. So it is never open to
 * more than it should be, and closing the server, which unlinks the path it was bound to, cannot
 * take the socket of a successor.
 */
export async function listenOnSocket(server: Server, path: string, mode: number): Promise<bigint> {
  const before = await statOf(path);
  if (before !== undefined && !before.isSocket()) throw new Error(`${path} is not a socket`);
  const temporary = join(dirname(path), `.r${randomBytes(4).toString('hex')}`);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(temporary, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(temporary, mode);
  await rename(temporary, path);
  return (await lstat(path, { bigint: true })).ino;
}

/** Leaves alone what a successor has put there. */
export async function unlinkIfOurs(path: string, inode: bigint): Promise<void> {
  if ((await statOf(path))?.ino === inode) await unlink(path);
}

async function statOf(path: string) {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @throws {Error} unless it is `unix:` and an absolute path */
export function socketPath(address: string | undefined): string {
  if (address?.startsWith('unix:/') === true) return address.slice('unix:'.length);
  throw new Error(`APISIX_LISTEN_ADDRESS must be "unix:/path": ${address ?? 'it is not set'}`);
}

/** 0600 unless told otherwise. @throws {Error} unless it is three octal digits */
export function socketMode(octal: string | undefined): number {
  if (octal === undefined || octal === '') return 0o600;
  if (/^0?[0-7]{3}$/.test(octal)) return Number.parseInt(octal, 8);
  throw new Error(`POLYGATE_RUNNER_SOCKET_MODE must be three octal digits: ${octal}`);
}
