import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunnerUser } from './runner-user.ts';

/** `sun_path` ends at 104 bytes on some systems; runners may append to it. */
const SOCKET_PATH_BYTES_MAX = 99;

/**
 * A path for a runner's socket, unique for ever: a runner that removes its socket late can only
 * remove its own.
 *
 * @param uid Of a runner that is not of our user: it gets a folder of its own within `runDir`.
 * @throws {RangeError} when it is too long for a socket.
 */
export function newSocketPath(runDir: string, uid?: number): string {
  const folder = uid === undefined ? runDir : join(runDir, `u${uid}`);
  const path = join(folder, `runner-${randomBytes(6).toString('hex')}.sock`);
  const pathBytes = Buffer.byteLength(path);
  if (pathBytes <= SOCKET_PATH_BYTES_MAX) return path;
  throw new RangeError(
    `the runner's socket path has ${pathBytes} bytes, use a shorter runDir: ${path}`,
  );
}

/** Whether `newSocketPath` makes files of this name. */
export function isSocketName(name: string): boolean {
  return /^runner-[0-9a-f]{12}\.sock$/.test(name);
}

/** Whether `newSocketPath` makes folders of this name. */
export function isUserFolder(name: string): boolean {
  return /^u\d+$/.test(name);
}

/**
 * Makes the folder of a socket that another user's runner makes: its alone, within ours, which
 * others may pass and not list.
 *
 * @throws {Error} when the user cannot get there.
 */
export function openWayTo(socketPath: string, { uid, gid }: RunnerUser): void {
  const folder = dirname(socketPath);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chownSync(folder, uid, gid);
  chmodSync(dirname(folder), 0o711);
  const closed = ancestors(dirname(folder)).find((path) => !mayPass(path, { uid, gid }));
  if (closed === undefined) return;
  throw new Error(`the runner's user cannot reach its socket: ${closed} is closed to it`);
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [...ancestors(parent), path];
}

function mayPass(path: string, { uid, gid }: RunnerUser): boolean {
  const stats = statSync(path);
  const bit = stats.uid === uid ? 0o100 : stats.gid === gid ? 0o010 : 0o001;
  return uid === 0 || (stats.mode & bit) !== 0;
}
