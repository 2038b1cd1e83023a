import { execFile, execFileSync } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

// What the smoke test asks of Docker: only through its two command lines, so that it sees what an
// operator sees.

const COMMAND_TIMEOUT_MS = 120_000;
const execute = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');

/** What `docker inspect` says of a container, as far as it is asked for here. */
export interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Health?: { readonly Status: string };
  };
  readonly Config: { readonly User: string; readonly Labels: Readonly<Record<string, string>> };
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean;
    readonly CapDrop: readonly string[] | null;
    readonly SecurityOpt: readonly string[] | null;
  };
  readonly NetworkSettings: {
    readonly Ports: Readonly<Record<string, readonly { readonly HostIp: string }[] | null>>;
  };
}

export interface Compose {
  /** `docker compose` or `docker-compose`. */
  readonly name: string;
  /** Runs a command of it; its output, trimmed. Rejects with what it said when it fails. */
  run(...args: readonly string[]): Promise<string>;
  /** The containers of a service, or of all of them, in order of their numbers. */
  containers(service?: string): Promise<readonly Container[]>;
  /** As it is now; also one that ended. */
  inspect(container: Container): Promise<Container>;
  /** Runs a command in one container of a service. */
  exec(container: Container, command: readonly string[]): Promise<string>;
  /** `127.0.0.1:9081`: where a container port of this one is published. */
  published(container: Container, port: number): Promise<string>;
}

/**
 * The stack of docker-compose.yml at the root of the repository. The environment variable COMPOSE
 * names the program; compose's own variables (COMPOSE_PROJECT_NAME and so on) hold too. Throws when
 * there is no such program.
 */
export function openCompose(env: NodeJS.ProcessEnv = process.env): Compose {
  const name = env['COMPOSE'] ?? COMPOSE_NAMES.find(isInstalled);
  if (name === undefined) throw new Error(`neither ${COMPOSE_NAMES.join(' nor ')} is installed`);
  const [program = '', ...first] = name.split(' ');
  const run = (...args: readonly string[]) => output(program, [...first, ...args]);

  const inspect = async (ids: readonly string[]) =>
    JSON.parse(await output('docker', ['inspect', ...ids])) as Container[];

  return {
    name,
    run,
    async containers(service) {
      const ids = await run('ps', '-q', ...(service === undefined ? [] : [service]));
      if (ids === '') return [];
      const containers = await inspect(ids.split('\n'));
      return containers.sort((a, b) => numberOf(a) - numberOf(b));
    },
    async inspect({ Id, Name }) {
      const [container] = await inspect([Id]);
      if (container === undefined) throw new Error(`there is no container ${Name}`);
      return container;
    },
    exec: (container, command) => output('docker', ['exec', container.Id, ...command]),
    published: (container, port) =>
      run('port', '--index', String(numberOf(container)), serviceOf(container), String(port)),
  };
}

export function serviceOf({ Config }: Container): string {
  return Config.Labels['com.docker.compose.service'] ?? '';
}

/** From 1; what `--index` takes. */
export function numberOf({ Config }: Container): number {
  return Number(Config.Labels['com.docker.compose.container-number']);
}

const COMPOSE_NAMES = ['docker compose', 'docker-compose'] as const;

function isInstalled(name: string): boolean {
  const [program = '', ...args] = name.split(' ');
  try {
    execFileSync(program, [...args, 'version'], { stdio: 'ignore' });
    return true;
  } catch {
    // not here: the next name is tried, or the caller says that there is none
    return false;
  }
}

async function output(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, args, { cwd: root, timeout: COMMAND_TIMEOUT_MS });
  return stdout.trim();
}
