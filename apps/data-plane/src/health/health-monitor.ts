import type { LookupFunction } from 'node:net';
import type { Logger } from '@polygate/chassis';
import type { UpstreamResource } from '@polygate/model';
import type { ConfigItem, ConfigUpdate } from '../config/config-item.ts';
import { checksOf, targetsOf } from './check-settings.ts';
import type { HealthChange, HealthReports } from './health-messages.ts';
import type { NodeStatus } from '../metrics/process-snapshot.ts';
import { upstreamIn } from '../upstream/upstream-in.ts';
import { isWell } from './target-state.ts';
import { UpstreamChecker } from './upstream-checker.ts';
import type { TargetReport } from './upstream-checker.ts';

/** As lua-resty-healthcheck: what is due is looked for this often. */
const TICK_MS = 100;
/** How long the states of an upstream that is gone are kept, for one that comes back. */
const KEPT_MS = 10_000;

export interface HealthMonitorOptions {
  /** `/apisix` before `/routes/1`, for the log. */
  readonly keyPrefix: string;
  /** PEM; undefined: the system's. */
  readonly authorities: readonly string[] | undefined;
  readonly log: Pick<Logger, 'warn'>;
  /** Of nodes that are names; undefined: the system's. */
  readonly lookup?: LookupFunction | undefined;
  /** The same with its nodes, where a registry has them. */
  readonly withNodes?: ((resource: UpstreamResource) => UpstreamResource) | undefined;
}

/** What the monitor knows of one upstream that has been used. */
interface Entry {
  readonly checker: UpstreamChecker;
  /** When to forget it; undefined while it is checked. */
  forgetAtMs: number | undefined;
}

/**
 * The health checks of the whole process, in the main thread: probes nodes of upstreams that a worker
 * has used, counts what workers report, tells all workers what changed. Kept in step with the
 * configuration by `apply` (apisix/healthcheck_manager.lua).
 */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  /** Upstreams with checks and nodes, by key. */
  readonly #resources = new Map<string, UpstreamResource>();
  readonly #entries = new Map<string, Entry>();
  /** Those whose nodes come from a registry, as they are written. */
  readonly #discovered = new Map<string, UpstreamResource>();
  #timer: NodeJS.Timeout | undefined;
  #post: (change: HealthChange) => void = () => undefined;

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  /** Where changes go to: all workers. */
  connect(post: (change: HealthChange) => void): void {
    this.#post = post;
  }

  /** Before the workers get the update. */
  apply(update: ConfigUpdate): void {
    if (update.reset && this.#resources.size + this.#discovered.size > 0) {
      const keys = new Set(update.puts.map(keyOf));
      const known = [...this.#resources.keys(), ...this.#discovered.keys()];
      for (const key of known) if (!keys.has(key)) this.#put(key, undefined);
    }
    for (const { kind, id } of update.deletes) this.#put(`${kind}/${id}`, undefined);
    for (const item of update.puts) this.#put(keyOf(item), upstreamIn(item));
  }

  /** Nodes in registries have changed. Before the workers hear of it. */
  refreshDiscovered(type: string, name: string): void {
    for (const [key, resource] of this.#discovered) {
      if (resource.service_name === name && resource.discovery_type === type) {
        this.#put(key, resource);
      }
    }
  }

  receive({ used, reports }: HealthReports): void {
    for (const key of used) this.#use(key);
    for (const { key, target, outcome } of reports) {
      const entry = this.#entries.get(key);
      if (entry?.forgetAtMs === undefined) entry?.checker.report(target, outcome);
    }
  }

  /** For a worker that comes late. */
  get changes(): readonly HealthChange[] {
    return [...this.#entries].flatMap(([key, { checker, forgetAtMs }]) =>
      forgetAtMs === undefined ? [{ key, unhealthy: checker.unhealthy }] : [],
    );
  }

  /** Of one object; none before it was first used. */
  targetsOf({ kind, id }: Pick<ConfigItem, 'kind' | 'id'>): readonly TargetReport[] {
    return this.#entries.get(`${kind}/${id}`)?.checker.targets ?? [];
  }

  /** Of all that is checked, for `upstream_status`. */
  get statuses(): readonly NodeStatus[] {
    return [...this.#entries].flatMap(([key, { checker, forgetAtMs }]) => {
      if (forgetAtMs !== undefined) return [];
      const name = `${this.#options.keyPrefix}/${key}`;
      return checker.targets.map(({ ip, port, status }) => ({
        name,
        ip,
        port,
        healthy: isWell(status),
      }));
    });
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { checker } of this.#entries.values()) checker.stop();
    this.#entries.clear();
    this.#resources.clear();
  }

  #put(key: string, written: UpstreamResource | undefined): void {
    const isDiscovered = written?.service_name !== undefined && checksOf(written) !== undefined;
    if (isDiscovered) this.#discovered.set(key, written);
    else this.#discovered.delete(key);
    const resource = isDiscovered ? this.#options.withNodes?.(written) : written;
    if (resource === undefined || checksOf(resource) === undefined || isEmpty(resource)) {
      this.#resources.delete(key);
      this.#retire(key);
      return;
    }
    this.#resources.set(key, resource);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.forgetAtMs !== undefined) return;
    entry.checker.update(resource, performance.now());
    this.#tell(key, entry.checker);
  }

  #use(key: string): void {
    const resource = this.#resources.get(key);
    if (resource === undefined) {
      // Gone by now: a worker that uses it when it is back is to say so again.
      this.#post({ key, unhealthy: undefined });
      return;
    }
    const known = this.#entries.get(key);
    const nowMs = performance.now();
    if (known === undefined) {
      const { keyPrefix, authorities, log, lookup } = this.#options;
      const onChange = (): void => this.#tell(key, checker);
      const name = `${keyPrefix}/${key}`;
      const checker = new UpstreamChecker(
        { name, authorities, log, lookup, onChange },
        resource,
        nowMs,
      );
      this.#entries.set(key, { checker, forgetAtMs: undefined });
      this.#tell(key, checker);
      // It must not keep the process alive.
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
    } else if (known.forgetAtMs !== undefined) {
      known.forgetAtMs = undefined;
      known.checker.update(resource, nowMs);
      this.#tell(key, known.checker);
    }
  }

  #retire(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.forgetAtMs !== undefined) return;
    entry.forgetAtMs = performance.now() + KEPT_MS;
    entry.checker.stop();
    this.#post({ key, unhealthy: undefined });
  }

  #tell(key: string, checker: UpstreamChecker): void {
    this.#post({ key, unhealthy: checker.unhealthy });
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const [key, { checker, forgetAtMs }] of this.#entries) {
      if (forgetAtMs === undefined) checker.tick(nowMs);
      else if (nowMs >= forgetAtMs) this.#entries.delete(key);
    }
  }
}

function keyOf({ kind, id }: Pick<ConfigItem, 'kind' | 'id'>): string {
  return `${kind}/${id}`;
}

function isEmpty(resource: UpstreamResource): boolean {
  return targetsOf(resource).length === 0;
}
