import { readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { isSocketName, isUserFolder } from './runner-socket.ts';

/**
 * Removes the sockets of runners that are gone: those of a machine that lost power, whose watchdog
 * could not do it. Sockets that somebody answers on are left alone.
 */
export async function removeStaleSockets(runDir: string): Promise<void> {
  const names = await readdir(runDir);
  const folders = [runDir, ...names.filter(isUserFolder).map((name) => join(runDir, name))];
  for (const folder of folders) {
    const found = await readdir(folder).catch(() => []);
    const sockets = found.filter(isSocketName).map((name) => join(folder, name));
    await Promise.all(sockets.map(removeIfStale));
  }
}

async function removeIfStale(path: string): Promise<void> {
  if (await isRefused(path)) await rm(path, { force: true });
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}
