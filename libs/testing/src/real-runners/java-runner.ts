import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { BUILD_MS_MAX, buildOnce, SOURCES } from './build-once.ts';
import { hasPrograms } from './prerequisites.ts';

const run = promisify(execFile);

/** Enough for the frames of 16 MiB, which it turns into strings, and small for a test machine. */
const JVM_OPTIONS = ['-Xms64m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/**
 * Whether the Java runner can be built here: JDK 17 and Maven. Without them a suite is skipped with a
 * line on stderr; in CI this throws instead.
 */
export function hasJava(): boolean {
  return hasPrograms(['javac', '-version'], ['mvn', '--version']);
}

/**
 * Builds `runners/java`, a Spring Boot program with org.apache.apisix:apisix-runner-starter, once per
 * source and user, and returns the command to run it. Maven takes the network only for what the
 * user's repository lacks. A filter of this SDK says ahead of all calls what it asks for, so there are
 * several: see `Application.java`.
 */
export async function buildJavaRunner(): Promise<string[]> {
  const folder = path.join(SOURCES, 'java');
  const built = await buildOnce('java', [folder], async (target) => {
    const output = path.join(target, 'target');
    const options = ['--batch-mode', '--quiet', '--no-transfer-progress'];
    await run('mvn', [...options, `-Dbuild.output=${output}`, 'package'], {
      cwd: folder,
      timeout: BUILD_MS_MAX,
    });
    await rename(path.join(output, 'runner.jar'), path.join(target, 'runner.jar'));
  });
  return ['java', ...JVM_OPTIONS, '-jar', path.join(built, 'runner.jar')];
}
