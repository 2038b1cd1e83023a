import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createTestCertificates } from '@polygate/testing';
import type { TestCertificates } from '@polygate/testing';
import { Children } from './children.ts';
import type { Child } from './children.ts';
import type { Contender, Place, Running } from './contender.ts';
import { freePorts } from './free-ports.ts';
import { isInstalled } from './machine.ts';
import type { Placement } from './machine.ts';
import { checkMetric, measure } from './measure.ts';
import type { Measurement, Target } from './measure.ts';
import { nginx, startUpstream } from './peers/nginx.ts';
import { untilServed } from './probe.ts';
import type { Expectation } from './probe.ts';
import type { Scenario } from './scenarios.ts';

/**
 * Before the first round, for V8 compiles what is hot, piece by piece over some 15 s: loads of this
 * length until the best of them is so many loads old. What is measured then is a gateway that has run
 * for a while, not one that was just started.
 */
const WARM_UP_SECONDS = 2;
const SETTLED_LOADS = 3;
const WARM_UPS_MAX = 12;
/** A load has to be this much cheaper than the best before it to count as better. */
const GAIN = 0.97;

export const REFERENCE = nginx.name;

export interface RunOptions extends Placement {
  readonly seconds: number;
  readonly rounds: number;
  readonly quick: boolean;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

export interface Series {
  readonly name: string;
  /** One a round. */
  readonly rounds: readonly Measurement[];
}

export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly series: readonly Series[];
  /** Contender → why it was not measured. */
  readonly missing: Readonly<Record<string, string>>;
}

/**
 * Starts the contenders that can do the work, loads them in turn, round by round, and stops them.
 * One that cannot be had, or breaks down, is left out with its reason.
 */
export async function runScenario(
  scenario: Scenario,
  contenders: readonly Contender[],
  options: RunOptions,
): Promise<ScenarioResult> {
  const { say, signal } = options;
  say(`— ${scenario.name}: ${scenario.description}`);
  const children = new Children(signal);
  const missing: Record<string, string> = {};
  const leaveOut = (name: string, error: unknown): void => {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    missing[name] = reason.split('\n')[0] ?? '';
    say(`${name} IS LEFT OUT: ${reason}`);
  };
  try {
    const targets = await startTargets({ children, scenario, contenders, leaveOut }, options);
    const series = await runRounds(children, targets, { ...options, leaveOut });
    return { scenario, series, missing };
  } finally {
    await children.stopAll();
  }
}

/** A scenario's upstream, on the cores of the load, and what else its contenders are started with. */
export async function preparePlace(
  { children, scenario }: Pick<Place, 'children' | 'scenario'>,
  { folder, loadCpus, gatewayCpus, signal, say }: RunOptions,
): Promise<Omit<Place, 'agentSocket'>> {
  const own = path.join(folder, scenario.name);
  await mkdir(own, { recursive: true });
  const [upstreamPort = 0] = await freePorts(1);
  const upstream = await startUpstream(children, {
    name: 'upstream',
    folder: path.join(own, 'upstream'),
    port: upstreamPort,
    cpus: loadCpus,
  });
  const direct: Expectation = {
    entry: 'http',
    url: `http://127.0.0.1:${upstreamPort}${scenario.path}`,
    requestHeaders: {},
    requestBodyBytes: 0,
    saw: `${scenario.path}||`,
    answerBytes: scenario.answerBytes,
    answerHeaders: [],
  };
  await whileRunning(upstream, 'the upstream', untilServed(direct, signal));
  const certificate = scenario.entry === 'tls' ? await createCertificate(own) : undefined;
  return {
    ...{ children, scenario, upstreamPort, certificate, signal, say },
    folder: own,
    cpus: gatewayCpus,
  };
}

/** Starts one contender and waits until it does the work as it should. */
export async function startTarget(contender: Contender, place: Place): Promise<Target> {
  const { scenario } = place;
  const folder = path.join(place.folder, contender.name.replaceAll('/', '-'));
  const running = await contender.start({ ...place, folder });
  const { child, metricsUrl } = running;
  const isGateway = metricsUrl !== undefined;
  const target: Target = {
    name: contender.name,
    child,
    hasRunner: isGateway && scenario.hasRunner,
    load: await loadOf(scenario, running, place.folder),
    metric:
      isGateway && scenario.metric !== undefined
        ? { url: metricsUrl, name: scenario.metric }
        : undefined,
  };
  const served = untilServed(expectationOf(scenario, running, isGateway), place.signal);
  await whileRunning(child, contender.name, served);
  return target;
}

async function startTargets(
  {
    children,
    scenario,
    contenders,
    leaveOut,
  }: {
    children: Children;
    scenario: Scenario;
    contenders: readonly Contender[];
    leaveOut: (name: string, error: unknown) => void;
  },
  options: RunOptions,
): Promise<Target[]> {
  if (scenario.entry === 'h2c' && !isInstalled('h2load')) {
    for (const { name } of contenders) leaveOut(name, 'no h2load: apt-get install nghttp2-client');
    return [];
  }
  const place = await preparePlace({ children, scenario }, options);
  const targets: Target[] = [];
  for (const contender of contenders) {
    const { name, needs } = contender;
    if (contender.cannot(scenario) !== undefined) continue;
    if (needs !== undefined && !isInstalled(needs.program)) {
      leaveOut(name, `not installed: apt-get install ${needs.package}`);
      continue;
    }
    options.say(`starting ${name}`);
    try {
      targets.push(await startTarget(contender, { ...place, agentSocket: undefined }));
    } catch (error) {
      leaveOut(name, error);
    }
  }
  return targets;
}

async function runRounds(
  children: Children,
  targets: readonly Target[],
  options: RunOptions & { leaveOut: (name: string, error: unknown) => void },
): Promise<Series[]> {
  const { say, rounds, leaveOut } = options;
  const all = targets.map((target) => ({ target, rounds: [] as Measurement[] }));
  const failed = new Set<Target>();
  const attempt = async (target: Target, work: () => Promise<void>): Promise<void> => {
    if (failed.has(target)) return;
    await work().catch((error: unknown) => {
      failed.add(target);
      leaveOut(target.name, error);
    });
  };
  for (const target of targets) await attempt(target, () => warmUp(children, target, options));
  for (let round = 1; round <= rounds; round++) {
    for (const { target, rounds: done } of all) {
      await attempt(target, async () => {
        const result = await measure(children, target, options);
        done.push(result);
        const runner = result.runnerUsPerRequest?.toFixed(1);
        say(
          `round ${round} of ${rounds}: ${target.name}: ${result.gatewayUsPerRequest.toFixed(1)}` +
            `${runner === undefined ? '' : ` + ${runner}`} µs a request, ` +
            `${result.requestsPerSecond.toFixed(0)} requests a second`,
        );
      });
    }
  }
  return all
    .filter(({ target }) => !failed.has(target))
    .map(({ target: { name }, rounds: done }) => ({ name, rounds: done }));
}

export async function warmUp(
  children: Children,
  target: Target,
  { quick, loadCpus, signal, say }: RunOptions,
): Promise<void> {
  say(`warming up ${target.name}`);
  if (quick) {
    await measure(children, target, { seconds: WARM_UP_SECONDS, loadCpus });
  } else {
    let bestUs = Infinity;
    let sinceBest = 0;
    for (let i = 0; i < WARM_UPS_MAX && sinceBest < SETTLED_LOADS; i++) {
      const load = await measure(children, target, { seconds: WARM_UP_SECONDS, loadCpus });
      const us = load.gatewayUsPerRequest;
      sinceBest = us < bestUs * GAIN ? 0 : sinceBest + 1;
      bestUs = Math.min(bestUs, us);
    }
  }
  await checkMetric(target, signal);
}

function expectationOf(scenario: Scenario, { url }: Running, isGateway: boolean): Expectation {
  const { entry, requestHeaders, requestBodyBytes, answerBytes } = scenario;
  const asked = scenario.needsPlugins && !isGateway ? scenario.path : scenario.upstreamPath;
  const runner = isGateway ? scenario.upstreamRunner : '';
  return {
    ...{ entry, requestHeaders, requestBodyBytes, answerBytes },
    url: `${url}${scenario.path}`,
    saw: `${asked}|127.0.0.1|${runner}`,
    answerHeaders: isGateway ? scenario.answerHeaders : [],
  };
}

async function loadOf(
  scenario: Scenario,
  { url }: Running,
  folder: string,
): Promise<Target['load']> {
  const script = path.join(folder, 'requests.lua');
  if (scenario.script !== undefined) await writeFile(script, scenario.script);
  return {
    entry: scenario.entry,
    url: `${url}${scenario.path}`,
    headers: scenario.requestHeaders,
    folder,
    ...(scenario.script !== undefined && { script }),
  };
}

async function createCertificate(folder: string): Promise<TestCertificates> {
  if (!isInstalled('openssl')) throw new Error('no openssl: apt-get install openssl');
  const own = path.join(folder, 'certificates');
  await mkdir(own, { recursive: true });
  return createTestCertificates(own);
}

/** Rejects with what the process wrote when it ends before `work` is done. */
async function whileRunning(child: Child, name: string, work: Promise<void>): Promise<void> {
  const ended = child.exited.then((code) => {
    throw new Error(`${name} ended with ${code}:\n${child.output()}`);
  });
  await Promise.race([work, ended]);
}
