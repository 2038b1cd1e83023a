import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { cpuList } from './cpu-list.ts';
import { parseProcStat, usageOfTree } from './proc-stat.ts';

const AFTER_NAME =
  'R 32186 32186 30773 0 -1 4194304 2853 6561 1 0 52 2 4 7 20 0 1 0 495128 16961536 3312';

describe('parseProcStat', () => {
  test('adds user and system time, and leaves ended children out', () => {
    expect(parseProcStat(`32192 (python3) ${AFTER_NAME}\n`)).toEqual({
      pid: 32192,
      parentPid: 32186,
      cpuUs: 540_000,
    });
  });

  test.each(['nginx: worker', 'a) R 1 1 (b', ')', ''])('takes (%s) for a name', (name) => {
    const stat = parseProcStat(`7 (${name}) ${AFTER_NAME}`);
    expect(stat).toMatchObject({ pid: 7, parentPid: 32186, cpuUs: 540_000 });
  });

  test.each(['', '7', '7 (node)', '7 (node) R 1 1 1', `x (node) ${AFTER_NAME}`])(
    'refuses "%s"',
    (line) => {
      expect(() => parseProcStat(line)).toThrow('not a line of /proc');
    },
  );
});

describe.skipIf(process.platform !== 'linux')('usageOfTree', () => {
  test('counts a process and those below it, and misses one that has ended', async () => {
    // the second shell says its pid, then waits for its input to end
    const shell = spawn('sh', ['-c', 'sh -c \'echo "$$"; read -r line\'; true'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(shell.stdout, 'data')) as [Buffer];
    const tree = usageOfTree(shell.pid!);
    expect(tree.map(({ pid }) => pid)).toEqual([shell.pid, Number(line.toString())]);
    expect(tree.every(({ rssBytes }) => rssBytes > 0)).toBe(true);

    shell.stdin.end();
    await once(shell, 'exit');
    expect(() => usageOfTree(shell.pid!)).toThrow('has ended');
  });

  test('sees the time that a process spends', () => {
    const [before] = usageOfTree(process.pid);
    let [now] = usageOfTree(process.pid);
    while (now.cpuUs === before.cpuUs) [now] = usageOfTree(process.pid);
    expect(now.cpuUs).toBeGreaterThan(before.cpuUs);
  });
});

describe('cpuList', () => {
  test('reads single cores and ranges', () => {
    expect(cpuList('Name:\tnode\nCpus_allowed_list:\t0-2,5,8-9\nMems:\t0\n')).toEqual([
      0, 1, 2, 5, 8, 9,
    ]);
    expect(cpuList('Cpus_allowed_list:\t3\n')).toEqual([3]);
  });

  test('refuses a text without the list', () => {
    expect(() => cpuList('Name:\tnode\n')).toThrow('Cpus_allowed_list');
  });
});
