import { readFileSync } from 'node:fs';

/** Who a runner's process belongs to. */
export interface RunnerUser {
  readonly uid: number;
  readonly gid: number;
}

const ID_MAX = 0xffff_fffe;

/**
 * A name or number of /etc/passwd; a number that is not in there has the group of that number.
 *
 * @throws {Error} when there is no such name, or the number is none of a user.
 */
export function findRunnerUser(user: string, passwdFile = '/etc/passwd'): RunnerUser {
  const entries = readFileSync(passwdFile, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const byName = entries.find(([name]) => name === user);
  const isNumber = /^\d{1,10}$/.test(user);
  const entry = byName ?? (isNumber ? entries.find(([, , uid]) => uid === user) : undefined);
  if (entry !== undefined) return { uid: id(entry[2], user), gid: id(entry[3], user) };
  if (!isNumber) throw new Error(`there is no user ${user}`);
  return { uid: id(user, user), gid: id(user, user) };
}

function id(written: string | undefined, user: string): number {
  const number = written !== undefined && /^\d+$/.test(written) ? Number(written) : NaN;
  if (number <= ID_MAX) return number;
  throw new Error(`the user ${user} has no number`);
}
