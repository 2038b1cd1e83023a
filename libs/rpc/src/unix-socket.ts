import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { RpcError } from './errors.ts';

/** `sun_path` holds 108 bytes on Linux and 104 elsewhere, with the NUL at the end. */
const PATH_BYTES_MAX = 103;

/** The path of a `unix:` address; undefined for others. */
export function unixPath(address: string): string | undefined {
  return address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
}

/**
 * Makes way for a server on `path`: creates the directory for our user only, and removes a socket
 * that a dead process left behind.
 *
 * @throws {RpcError} `ALREADY_EXISTS` when a server answers there or the path is no socket.
 */
export async function prepareUnixPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    const message = `a unix socket path has at most ${PATH_BYTES_MAX} bytes: ${path}`;
    throw new RpcError('INVALID_ARGUMENT', message);
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new RpcError('ALREADY_EXISTS', `${path} is not a socket`);
  if (await answers(path)) throw new RpcError('ALREADY_EXISTS', `a server listens on ${path}`);
  await rm(path, { force: true });
}

/** Only our user may connect. */
export async function closeToOthers(path: string): Promise<void> {
  await chmod(path, 0o600);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
