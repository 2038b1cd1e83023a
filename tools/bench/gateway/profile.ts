import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Children } from '../children.ts';
import { runLoad } from '../load/load.ts';
import { threadTimesUs } from '../proc-stat.ts';
import { preparePlace, startTarget, warmUp } from '../run-scenario.ts';
import type { RunOptions } from '../run-scenario.ts';
import type { Scenario } from '../scenarios.ts';
import { openAgentHub } from './agent-hub.ts';
import { polygate } from './polygate.ts';
import { selfTimes } from './self-times.ts';
import type { CpuProfile } from './self-times.ts';

const LINES = 30;

/** Records a CPU profile of the worker under each load, and prints where it spends its time. */
export async function profileScenarios(
  scenarios: readonly Scenario[],
  options: RunOptions & { profileFolder: string },
): Promise<void> {
  await mkdir(options.profileFolder, { recursive: true });
  for (const scenario of scenarios) {
    try {
      await profileScenario(scenario, options);
    } catch (error) {
      options.signal.throwIfAborted();
      options.say(`no profile of ${scenario.name}: ${String(error)}`);
    }
  }
}

async function profileScenario(
  scenario: Scenario,
  options: RunOptions & { profileFolder: string },
): Promise<void> {
  const { profileFolder, loadCpus, seconds, say } = options;
  const children = new Children(options.signal);
  const folder = path.join(options.folder, 'profile');
  const place = await preparePlace({ children, scenario }, { ...options, folder });
  const hub = await openAgentHub(path.join(folder, 'agent.sock'));
  try {
    const target = await startTarget(polygate(), { ...place, agentSocket: hub.socket });
    await warmUp(children, target, options);
    say(`profiling ${scenario.name}`);
    await hub.ask('worker', 'profile');
    const before = threadTimesUs(target.child.pid);
    const { requests } = await runLoad(children, target.load, { seconds, cpus: loadCpus });
    const after = threadTimesUs(target.child.pid);
    const file = path.join(profileFolder, `${scenario.name}.cpuprofile`);
    await hub.ask('worker', 'save-profile', file);
    const times = selfTimes(JSON.parse(await readFile(file, 'utf8')) as CpuProfile);
    console.log(`\n${scenario.name}: CPU µs a request by thread, the profiler's own included`);
    for (const [thread, us] of after) {
      const spentUs = us - (before.get(thread) ?? 0);
      if (spentUs > 0) console.log(`${(spentUs / requests).toFixed(1).padStart(6)}    ${thread}`);
    }
    console.log(`\n${scenario.name}: self time in the worker, ${file}`);
    for (const { name, percent } of times.slice(0, LINES)) {
      console.log(`${percent.toFixed(1).padStart(6)} %  ${name}`);
    }
  } finally {
    await children.stopAll();
    await hub.close();
  }
}
