import type { LookupFunction } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '@polygate/chassis';
import type { UpstreamResource } from '@polygate/model';
import { checkSettings, checksOf, targetId, targetsOf } from './check-settings.ts';
import type { CheckSettings, Target } from './check-settings.ts';
import { probe } from './probe.ts';
import { TargetState } from './target-state.ts';
import type { HealthCounters, HealthStatus, Increment, Outcome } from './target-state.ts';

interface Watched {
  target: Target;
  readonly state: TargetState;
  /** Ends the probe that is under way. */
  cancel: (() => void) | undefined;
  isQueued: boolean;
}

export interface TargetReport {
  readonly ip: string;
  readonly port: number;
  readonly hostname: string;
  readonly status: HealthStatus;
  readonly counter: HealthCounters;
}

export interface CheckerOptions {
  /** `/apisix/routes/1`, for the log. */
  readonly name: string;
  readonly authorities: readonly string[] | undefined;
  readonly lookup?: LookupFunction | undefined;
  readonly log: Pick<Logger, 'warn'>;
  /** A target became healthy or unhealthy, or went. */
  readonly onChange: () => void;
}

/** The checks of one upstream. Driven by `tick`; states outlive changes of nodes and checks. */
export class UpstreamChecker {
  readonly #options: CheckerOptions;
  readonly #watched = new Map<string, Watched>();
  #checks: unknown;
  #settings: CheckSettings;
  /** On the clock of `tick`. */
  #healthyRunMs = 0;
  #unhealthyRunMs = 0;
  #queue: Watched[] = [];
  #underWay = 0;

  constructor(options: CheckerOptions, resource: UpstreamResource, nowMs: number) {
    this.#options = options;
    this.#checks = checksOf(resource);
    this.#settings = checkSettings(checksOf(resource) ?? {});
    this.#healthyRunMs = nowMs;
    this.#unhealthyRunMs = nowMs;
    this.#sync(targetsOf(resource));
  }

  /** A newer version of the upstream: targets that stay keep their state. */
  update(resource: UpstreamResource, nowMs: number): void {
    const checks = checksOf(resource);
    if (!isDeepStrictEqual(checks, this.#checks)) {
      this.#checks = checks;
      this.#settings = checkSettings(checks ?? {});
      this.#healthyRunMs = nowMs;
      this.#unhealthyRunMs = nowMs;
      for (const { state } of this.#watched.values()) state.settle();
    }
    this.#sync(targetsOf(resource));
  }

  /** Probes what is due. The first time is one interval after the beginning. */
  tick(nowMs: number): void {
    const { healthyIntervalMs, unhealthyIntervalMs } = this.#settings;
    if (nowMs - this.#healthyRunMs >= healthyIntervalMs) {
      this.#healthyRunMs = nowMs;
      this.#enqueue(true);
    }
    if (nowMs - this.#unhealthyRunMs >= unhealthyIntervalMs) {
      this.#unhealthyRunMs = nowMs;
      this.#enqueue(false);
    }
    this.#runQueue();
  }

  /** What a request met with. Reports on targets that are gone are of no use any more. */
  report(id: string, outcome: Outcome): void {
    const watched = this.#watched.get(id);
    if (watched !== undefined) this.#take(watched, outcome, 'passive');
  }

  /** Ids of targets that are to get no requests. */
  get unhealthy(): readonly string[] {
    return [...this.#watched].flatMap(([id, { state }]) => (state.isHealthy ? [] : [id]));
  }

  get targets(): readonly TargetReport[] {
    return [...this.#watched.values()].map(({ target, state }) => ({
      ip: target.ip,
      port: target.port,
      hostname: target.hostname,
      status: state.status,
      counter: { ...state.counters },
    }));
  }

  /** Probes that are under way end unheard; states stay. */
  stop(): void {
    for (const watched of this.#watched.values()) this.#drop(watched);
    this.#queue = [];
  }

  #sync(targets: readonly Target[]): void {
    const wanted = new Map(targets.map((target) => [targetId(target), target]));
    for (const [id, watched] of this.#watched) {
      if (wanted.has(id)) continue;
      this.#drop(watched);
      this.#watched.delete(id);
    }
    for (const [id, target] of wanted) {
      const known = this.#watched.get(id);
      if (known !== undefined) known.target = target;
      else {
        const state = new TargetState();
        this.#watched.set(id, { target, state, cancel: undefined, isQueued: false });
      }
    }
  }

  #drop(watched: Watched): void {
    watched.isQueued = false;
    if (watched.cancel === undefined) return;
    watched.cancel();
    watched.cancel = undefined;
    this.#underWay -= 1;
  }

  /** A target whose last probe is still under way is left out this time. */
  #enqueue(healthy: boolean): void {
    for (const watched of this.#watched.values()) {
      if (watched.isQueued || watched.cancel !== undefined) continue;
      if (watched.state.isHealthy !== healthy) continue;
      watched.isQueued = true;
      this.#queue.push(watched);
    }
  }

  #runQueue(): void {
    while (this.#underWay < this.#settings.concurrency) {
      const watched = this.#queue.shift();
      if (watched === undefined) return;
      if (watched.isQueued) this.#probe(watched);
    }
  }

  #probe(watched: Watched): void {
    const { authorities, lookup } = this.#options;
    watched.isQueued = false;
    this.#underWay += 1;
    const options = { settings: this.#settings.probe, authorities, lookup };
    watched.cancel = probe(watched.target, options, (outcome) => {
      watched.cancel = undefined;
      this.#underWay -= 1;
      this.#take(watched, outcome, 'active');
      this.#runQueue();
    });
  }

  #take({ target, state }: Watched, outcome: Outcome, by: 'active' | 'passive'): void {
    const wasHealthy = state.isHealthy;
    const increment = state.report(outcome, this.#settings[by]);
    if (increment === undefined) return;
    this.#options.log.warn(describe(this.#options.name, target, increment));
    if (state.isHealthy !== wasHealthy) this.#options.onChange();
  }
}

/** The words of lua-resty-healthcheck, which people search their logs for. */
function describe(name: string, { ip, port, hostname }: Target, increment: Increment): string {
  const { report, counter, count, limit } = increment;
  return (
    `[healthcheck] (upstream#${name}) ${report} ${counter} increment (${count}/${limit}) ` +
    `for '${hostname}(${ip}:${port})'`
  );
}
