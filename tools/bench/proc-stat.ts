import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: what the kernel shows to programs is 100 on every processor that Node runs on. */
const US_PER_TICK = 10_000;

export interface ProcStat {
  readonly pid: number;
  readonly parentPid: number;
  /** User and system time of all its threads, ended ones too, but not of child processes. */
  readonly cpuUs: number;
}

export interface ProcessUsage {
  readonly pid: number;
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** One line of /proc/<pid>/stat, see proc_pid_stat(5). Throws when it is not one. */
export function parseProcStat(line: string): ProcStat {
  // The name is the program's own choice: it may hold blanks and parentheses.
  const nameEnd = line.lastIndexOf(')');
  const pid = Number(line.slice(0, line.indexOf(' ')));
  const fields = line
    .slice(nameEnd + 2)
    .trim()
    .split(' ');
  // fields[0] is the third field of the manual page
  const [parentPid, userTicks, systemTicks] = [fields[1], fields[11], fields[12]].map(Number);
  const cpuUs = ((userTicks ?? NaN) + (systemTicks ?? NaN)) * US_PER_TICK;
  if (nameEnd === -1 || parentPid === undefined || !Number.isInteger(pid + parentPid + cpuUs)) {
    throw new Error(`not a line of /proc/<pid>/stat: ${line}`);
  }
  return { pid, parentPid, cpuUs };
}

/** The process and all below it, `rootPid` first. Throws when it has ended. */
export function usageOfTree(rootPid: number): [ProcessUsage, ...ProcessUsage[]] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => readIfThere(`/proc/${pid}/stat`) ?? [])
    .map(parseProcStat);
  const root = all.find(({ pid }) => pid === rootPid);
  if (root === undefined) throw new Error(`process ${rootPid} has ended`);
  const tree = [root];
  // grows while it is walked
  for (const { pid } of tree) tree.push(...all.filter(({ parentPid }) => parentPid === pid));
  const [first, ...below] = tree.map(({ pid, cpuUs }) => ({ pid, cpuUs, rssBytes: rssOf(pid) }));
  return [first as ProcessUsage, ...below];
}

/** Thread's name and id → CPU time so far. */
export function threadTimesUs(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const line = readIfThere(`/proc/${pid}/task/${tid}/stat`);
    if (line === undefined) continue;
    const name = line.slice(line.indexOf('(') + 1, line.lastIndexOf(')'));
    times.set(`${name} ${tid}`, parseProcStat(line).cpuUs);
  }
  return times;
}

function rssOf(pid: number): number {
  const status = readIfThere(`/proc/${pid}/status`) ?? '';
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Undefined when the process has ended since it was listed. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
