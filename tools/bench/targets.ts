import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Child, Children } from './children.ts';
import { freePorts, startProxy, startUpstream } from './nginx.ts';
import { startPolygate } from './polygate.ts';
import { untilServed } from './probe.ts';
import type { Expectation } from './probe.ts';
import { scenariosFor } from './scenarios.ts';
import type { Scenario } from './scenarios.ts';
import type { Load } from './wrk.ts';

export const REFERENCE = 'nginx';
export const TARGET_NAMES = [REFERENCE, ...scenariosFor('').map(({ name }) => name)];

/** A gateway that runs and has been seen to do its work. */
export interface Target {
  readonly name: string;
  readonly description: string;
  readonly child: Child;
  /** Processes below the gateway's are the plugin runner, and counted apart. */
  readonly hasRunner: boolean;
  readonly load: Load;
  /** Where a metric must be found after a load. */
  readonly metric: { readonly url: string; readonly name: string } | undefined;
}

export interface Placement {
  /** For `taskset -c`; undefined: not pinned. */
  readonly gatewayCpus: string | undefined;
  readonly loadCpus: string | undefined;
}

export interface StartOptions extends Placement {
  readonly folder: string;
  readonly names: readonly string[];
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** Starts the upstream, then those of `names`; each in a process of its own. */
export async function startTargets(children: Children, options: StartOptions): Promise<Target[]> {
  const { folder, names, signal, say, loadCpus } = options;
  const [upstreamPort = 0, proxyPort = 0] = await freePorts(2);
  say('starting the upstream');
  const upstream = await startUpstream(children, {
    name: 'upstream',
    folder: path.join(folder, 'upstream'),
    port: upstreamPort,
    cpus: loadCpus,
  });
  const node = `127.0.0.1:${upstreamPort}`;
  const direct = { url: `http://${node}/`, requestHeaders: {}, saw: '/||', answerHeaders: [] };
  await whileRunning(upstream, 'the upstream', untilServed(direct, signal));

  const targets: Target[] = [];
  if (names.includes(REFERENCE)) {
    say(`starting ${REFERENCE}`);
    targets.push(await startReference(children, options, { proxyPort, upstreamPort }));
  }
  for (const scenario of scenariosFor(node).filter(({ name }) => names.includes(name))) {
    say(`starting polygate ${scenario.name}: ${scenario.description}`);
    targets.push(await startScenario(children, options, scenario));
  }
  return targets;
}

async function startReference(
  children: Children,
  { folder, gatewayCpus, signal }: StartOptions,
  { proxyPort, upstreamPort }: { proxyPort: number; upstreamPort: number },
): Promise<Target> {
  const child = await startProxy(children, {
    name: REFERENCE,
    folder: path.join(folder, REFERENCE),
    port: proxyPort,
    upstreamPort,
    cpus: gatewayCpus,
  });
  const url = `http://127.0.0.1:${proxyPort}/plain`;
  const expected = { url, requestHeaders: {}, saw: '/plain|127.0.0.1|', answerHeaders: [] };
  await whileRunning(child, REFERENCE, untilServed(expected, signal));
  return {
    name: REFERENCE,
    description: 'as a proxy: X-Forwarded-*, keep-alive to the upstream, one worker',
    child,
    hasRunner: false,
    load: { url, headers: {} },
    metric: undefined,
  };
}

async function startScenario(
  children: Children,
  { folder, gatewayCpus, signal }: StartOptions,
  scenario: Scenario,
): Promise<Target> {
  const own = path.join(folder, scenario.name);
  const gateway = await startPolygate(children, {
    scenario,
    folder: own,
    cpus: gatewayCpus,
    signal,
  });
  const { name, description, external: hasRunner, requestHeaders, answerHeaders } = scenario;
  const url = `${gateway.url}${scenario.path}`;
  const saw = `${scenario.upstreamPath}|127.0.0.1|${scenario.upstreamRunner}`;
  const expected: Expectation = { url, requestHeaders, saw, answerHeaders };
  await whileRunning(gateway.child, name, untilServed(expected, signal));
  const script = path.join(own, 'requests.lua');
  if (scenario.script !== undefined) await writeFile(script, scenario.script);
  return {
    name,
    description,
    child: gateway.child,
    hasRunner,
    load: { url, headers: requestHeaders, ...(scenario.script !== undefined && { script }) },
    metric:
      scenario.metric === undefined
        ? undefined
        : { url: gateway.metricsUrl, name: scenario.metric },
  };
}

/** Rejects with what the process wrote when it ends before `work` is done. */
async function whileRunning(child: Child, name: string, work: Promise<void>): Promise<void> {
  const ended = child.exited.then((code) => {
    throw new Error(`${name} ended with ${code}:\n${child.output()}`);
  });
  await Promise.race([work, ended]);
}
