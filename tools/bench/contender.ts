import type { TestCertificates } from '@polygate/testing';
import type { Child, Children } from './children.ts';
import type { Scenario } from './scenarios.ts';

/** A proxy that is measured. */
export interface Contender {
  readonly name: string;
  /** How it is set up, for the page. */
  readonly about: string;
  /** The program it is, and the Debian package to get it from; undefined: it is always there. */
  readonly needs: { readonly program: string; readonly package: string } | undefined;
  /** Why it cannot do this work; undefined: it can. */
  cannot(scenario: Scenario): string | undefined;
  /** Starts it; it need not serve yet. Rejects when it cannot be had. */
  start(place: Place): Promise<Running>;
}

/** What a contender is started with. */
export interface Place {
  readonly children: Children;
  readonly scenario: Scenario;
  /** Its own. */
  readonly folder: string;
  /** List for `taskset -c`; undefined: not pinned. */
  readonly cpus: string | undefined;
  readonly upstreamPort: number;
  /** Undefined where the scenario needs none. */
  readonly certificate: TestCertificates | undefined;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Load the thread agent, to look into its threads. Only Polygate has them. */
  readonly agentSocket: string | undefined;
}

export interface Running {
  readonly child: Child;
  /** Without a slash at the end. */
  readonly url: string;
  /** Of a Prometheus exporter. */
  readonly metricsUrl: string | undefined;
}

/** Without plugins, TLS or HTTP/2: the proxies written in JavaScript. */
export function onlyPlainHttp({ needsPlugins, entry }: Scenario): string | undefined {
  if (needsPlugins) return 'has no plugins';
  return entry === 'http' ? undefined : `is measured over plain HTTP/1.1 only`;
}
