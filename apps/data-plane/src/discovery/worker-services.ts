import type { UpstreamResource } from '@polygate/model';
import { unknownService } from '../upstream/discovered-upstream.ts';
import type { ServiceAnswer, ServiceNodes } from '../upstream/discovered-upstream.ts';
import { serviceKey, serviceOf } from './discovery-messages.ts';
import type { ServiceChange, ServiceName, ServiceWishes } from './discovery-messages.ts';

/** Requests that come before the registry has answered wait so long, then they get a 503. */
const ANSWER_WAIT_MS_MAX = 3000;

/** The side of the worker threads: knows what the main thread found out, tells what is needed. */
export class WorkerServices {
  readonly #send: (wishes: ServiceWishes) => void;
  /** Held by the upstreams alone: what none names is let go of. */
  readonly #services = new Map<string, WeakRef<Service>>();
  readonly #gone: FinalizationRegistry<ServiceName>;
  #wanted: ServiceName[] = [];
  #unwanted: ServiceName[] = [];
  #isScheduled = false;

  constructor(send: (wishes: ServiceWishes) => void) {
    this.#send = send;
    this.#gone = new FinalizationRegistry((name) => this.#letGo(name));
  }

  /** Of a resource with a `service_name`. One object for all upstreams that name the service. */
  of(resource: UpstreamResource): ServiceNodes {
    if (resource.discovery_type === undefined) return unknownService(undefined);
    const service = serviceOf(resource);
    const key = serviceKey(service);
    const known = this.#services.get(key)?.deref();
    if (known !== undefined) return known;
    const made = new Service(() => this.#want(service));
    this.#services.set(key, new WeakRef(made));
    this.#gone.register(made, service);
    return made;
  }

  take(change: ServiceChange): void {
    this.#services.get(serviceKey(change))?.deref()?.take(change.answer);
  }

  #want(name: ServiceName): void {
    this.#wanted.push(name);
    this.#schedule();
  }

  #letGo(name: ServiceName): void {
    const key = serviceKey(name);
    // another upstream may have named it since
    if (this.#services.get(key)?.deref() !== undefined) return;
    this.#services.delete(key);
    this.#unwanted.push(name);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const wishes = { wanted: this.#wanted, unwanted: this.#unwanted };
      this.#wanted = [];
      this.#unwanted = [];
      this.#send(wishes);
    });
  }
}

class Service implements ServiceNodes {
  readonly #want: () => void;
  #isWanted = false;
  #answer: ServiceAnswer | undefined;
  #listeners = new Set<() => void>();

  constructor(want: () => void) {
    this.#want = want;
  }

  get answer(): ServiceAnswer | undefined {
    if (!this.#isWanted) {
      this.#isWanted = true;
      this.#want();
    }
    return this.#answer;
  }

  whenKnown(listener: () => void): void {
    const told = (): void => {
      clearTimeout(timer);
      this.#listeners.delete(told);
      listener();
    };
    const timer = setTimeout(told, ANSWER_WAIT_MS_MAX);
    this.#listeners.add(told);
  }

  take(answer: ServiceAnswer): void {
    this.#answer = answer;
    for (const told of [...this.#listeners]) told();
  }
}
