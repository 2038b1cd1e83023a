import { execFileSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { cpuList } from './cpu-list.ts';

/** Lists for `taskset -c`; undefined: not pinned. */
export interface Placement {
  readonly gatewayCpus: string | undefined;
  readonly loadCpus: string | undefined;
}

/** Program → Debian package. Without these nothing can be measured. */
const REQUIRED: Readonly<Record<string, string>> = {
  nginx: 'nginx',
  wrk: 'wrk',
  taskset: 'util-linux',
};

/** Throws when something is missing that no figure can be had without. */
export function requirePrograms(): void {
  if (process.platform !== 'linux') throw new Error('needs Linux: CPU time is read from /proc');
  // nginx and haproxy are often where only root's PATH leads
  process.env['PATH'] = `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`;
  const missing = Object.entries(REQUIRED).filter(([program]) => !isInstalled(program));
  if (missing.length === 0) return;
  const programs = missing.map(([program]) => program).join(', ');
  const packages = missing.map(([, name]) => name).join(' ');
  throw new Error(`cannot find ${programs}: apt-get install ${packages}`);
}

export function isInstalled(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  return folders.some((folder) => isExecutable(path.join(folder, program)));
}

/** The gateway on the first core that this process may use, everything else on the others. */
export function placementOf(): Placement {
  const [first, ...others] = cpuList(readFileSync('/proc/self/status', 'utf8'));
  if (first === undefined || others.length === 0) {
    return { gatewayCpus: undefined, loadCpus: undefined };
  }
  return { gatewayCpus: String(first), loadCpus: others.join(',') };
}

export function placementText({ gatewayCpus, loadCpus }: Placement): string {
  return gatewayCpus === undefined || loadCpus === undefined
    ? 'one core: gateway, load and upstream share it'
    : `gateway (with its runner) on core ${gatewayCpus}, load and upstream on ${loadCpus}`;
}

/** Most files, so connections, that a process started from here can have open. */
export function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  return hard === 'unlimited' ? Infinity : Number(hard);
}

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** Program → version. */
  readonly versions: Readonly<Record<string, string>>;
}

export function machineFacts(): MachineFacts {
  const versions: Record<string, string> = { node: process.version.slice(1) };
  const note = (program: string, command: string, pattern: RegExp): void => {
    if (!isInstalled(program)) return;
    // some say their version on stderr, and end with 1
    const text = execFileSync('sh', ['-c', `${command} 2>&1 || true`]).toString();
    versions[program] = pattern.exec(text)?.[1] ?? 'unknown';
  };
  note('nginx', 'nginx -v', /nginx\/(\S+)/);
  note('haproxy', 'haproxy -v', /version (\d[\d.]*)/);
  note('wrk', 'wrk -v', /wrk \S*?(\d[\d.]*)/);
  note('h2load', 'h2load --version', /nghttp2\/(\S+)/);
  const names = ['@fastify/http-proxy', 'fastify', 'http-proxy', 'undici'];
  for (const name of names) {
    const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
    versions[name] = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    versions,
  };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
