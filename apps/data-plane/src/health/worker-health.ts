import type { UpstreamResource } from '@polygate/model';
import type { Logger } from '@polygate/plugin-sdk';
import type { CompiledNode } from '../upstream/compiled-upstream.ts';
import type { TryFailure, UpstreamHealth } from '../upstream/upstream-health.ts';
import { checksOf, targetId, targetOf } from './check-settings.ts';
import type { HealthChange, HealthReport, HealthReports } from './health-messages.ts';
import type { Outcome } from './target-state.ts';

/** More reports than these between two turns of the event loop say nothing new. */
const REPORTS_MAX = 1000;

/** What one worker thread was told of an upstream, whatever its version. */
interface View {
  /** The main thread was told. */
  isUsed: boolean;
  /** The main thread has answered. */
  isChecked: boolean;
  version: number;
  unhealthy: ReadonlySet<string>;
}

/** The side of the worker threads: knows what the main thread found out, tells what requests met. */
export class WorkerHealth {
  readonly #send: (reports: HealthReports) => void;
  readonly #log: Logger;
  readonly #views = new Map<string, View>();
  #used: string[] = [];
  #reports: HealthReport[] = [];
  #isScheduled = false;
  /** No two states of any view have the same. */
  #versions = 0;

  constructor(send: (reports: HealthReports) => void, log: Logger) {
    this.#send = send;
    this.#log = log;
  }

  /** Undefined where the upstream has no checks. */
  of(key: string, resource: UpstreamResource): UpstreamHealth | undefined {
    if (checksOf(resource) === undefined) return undefined;
    return new CheckedUpstream(key, resource, this);
  }

  take({ key, unhealthy }: HealthChange): void {
    if (unhealthy === undefined) {
      const view = this.#views.get(key);
      if (view === undefined) return;
      // Upstreams that are served now may hold it: they begin anew when they are used next.
      view.isUsed = false;
      view.isChecked = false;
      view.unhealthy = new Set();
      view.version = ++this.#versions;
      this.#views.delete(key);
      return;
    }
    const view = this.view(key);
    view.isUsed = true;
    view.isChecked = true;
    view.unhealthy = new Set(unhealthy);
    view.version = ++this.#versions;
  }

  view(key: string): View {
    let view = this.#views.get(key);
    if (view === undefined) {
      view = { isUsed: false, isChecked: false, version: ++this.#versions, unhealthy: new Set() };
      this.#views.set(key, view);
    }
    return view;
  }

  used(key: string): void {
    this.#used.push(key);
    this.#schedule();
  }

  report(report: HealthReport): void {
    if (this.#reports.length >= REPORTS_MAX) return;
    this.#reports.push(report);
    this.#schedule();
  }

  warn(message: string): void {
    this.#log.warn(message);
  }

  /** At the end of this turn: one message for all requests of it. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const used = this.#used;
      const reports = this.#reports;
      this.#used = [];
      this.#reports = [];
      this.#send({ used, reports });
    });
  }
}

/** One version of an upstream. */
class CheckedUpstream implements UpstreamHealth {
  readonly #key: string;
  readonly #resource: UpstreamResource;
  readonly #health: WorkerHealth;
  /** Statuses that passive checks look at; undefined: there are none. */
  readonly #statuses: ReadonlySet<number> | undefined;
  readonly #targets = new Map<CompiledNode, string>();
  #view: View | undefined;

  constructor(key: string, resource: UpstreamResource, health: WorkerHealth) {
    this.#key = key;
    this.#resource = resource;
    this.#health = health;
    const passive = checksOf(resource)?.passive;
    this.#statuses =
      passive &&
      new Set([
        ...(passive.healthy?.http_statuses ?? []),
        ...(passive.unhealthy?.http_statuses ?? []),
      ]);
  }

  get version(): number {
    return this.#view?.version ?? 0;
  }

  use(): boolean {
    if (this.#view?.isChecked === true) return true;
    // The main thread may have let go of the one we had.
    const view = this.#health.view(this.#key);
    this.#view = view;
    if (!view.isUsed) {
      view.isUsed = true;
      this.#health.used(this.#key);
    }
    return view.isChecked;
  }

  isHealthy(node: CompiledNode): boolean {
    return this.#view?.unhealthy.has(this.#targetOf(node)) !== true;
  }

  reportFailure(node: CompiledNode, failure: TryFailure): void {
    this.#report(node, { kind: failure });
  }

  reportStatus(node: CompiledNode, status: number): void {
    if (this.#statuses?.has(status) === true) this.#report(node, { kind: 'status', status });
  }

  allUnhealthy(): void {
    this.#health.warn(`all nodes of ${this.#key} are unhealthy: all of them are used`);
  }

  #report(node: CompiledNode, outcome: Outcome): void {
    this.#health.report({ key: this.#key, target: this.#targetOf(node), outcome });
  }

  #targetOf(node: CompiledNode): string {
    let id = this.#targets.get(node);
    if (id === undefined) {
      id = targetId(targetOf(node, this.#resource));
      this.#targets.set(node, id);
    }
    return id;
  }
}
