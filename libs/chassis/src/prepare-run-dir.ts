import { lstatSync, mkdirSync } from 'node:fs';

/**
 * Makes the folder for sockets, for this user only. Throws when it is there and is not this user's
 * alone to write: whoever made it could take a socket's place and read what the gateway says, and
 * the default folder lies where everybody may write.
 */
export function prepareRunDir(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  // lstat: a link may lead anywhere tomorrow.
  const stats = lstatSync(path);
  const user = process.getuid?.();
  if (!stats.isDirectory()) throw new Error(`${path} is not a folder`);
  if (user !== undefined && stats.uid !== user) throw new Error(`${path} belongs to another user`);
  if ((stats.mode & 0o022) !== 0) throw new Error(`${path} can be written by other users`);
}
