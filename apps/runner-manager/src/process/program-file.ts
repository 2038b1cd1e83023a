import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

/** Where a command runs. */
export interface CommandPlace {
  readonly cwd: string;
  /** As the environment has it. */
  readonly path: string | undefined;
}

/**
 * The file that a command's first word stands for, found as `execvp` does.
 *
 * @throws {Error} with a code of the file system when there is none that may be run.
 */
export function programFile(program: string, { cwd, path = '' }: CommandPlace): string {
  const candidates = program.includes('/')
    ? [resolve(cwd, program)]
    : path.split(delimiter).map((folder) => join(resolve(cwd, folder), program));
  let problem: Error | undefined;
  for (const file of candidates) {
    try {
      checkRunnable(file);
      return file;
    } catch (error) {
      const found = error as NodeJS.ErrnoException;
      if (problem === undefined || found.code !== 'ENOENT') problem = found;
    }
  }
  throw problem ?? coded(`ENOENT: no such program on PATH, '${program}'`, 'ENOENT');
}

/**
 * The files whose change makes a command another one: the program, and arguments that name a file,
 * as the script of an interpreter.
 */
export function commandFiles(
  cmd: readonly string[],
  { cwd = process.cwd() }: { readonly cwd?: string },
): string[] {
  const [program = '', ...args] = cmd;
  const files = args.map((arg) => resolve(cwd, arg)).filter(isFile);
  try {
    return [programFile(program, { cwd, path: process.env['PATH'] }), ...files];
  } catch {
    // Not there now: it may come back, as after a build that removes it first.
    return program.includes('/') ? [resolve(cwd, program), ...files] : files;
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // Most arguments are no path.
    return false;
  }
}

function checkRunnable(file: string): void {
  if (statSync(file).isDirectory()) throw coded(`EACCES: a directory, '${file}'`, 'EACCES');
  accessSync(file, constants.X_OK);
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
