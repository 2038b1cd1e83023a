import type { UpstreamNode } from '@polygate/model';
import type { CompiledUpstream } from './compiled-upstream.ts';

/** What a registry says of a service. */
export type ServiceAnswer =
  | { readonly nodes: readonly UpstreamNode[] }
  /** Why there are none, for the log. */
  | { readonly failure: string };

/** The nodes of one service, as one worker thread knows them. */
export interface ServiceNodes {
  /** Another object after each change. Undefined: nobody has told yet. Asking begins with the first look. */
  readonly answer: ServiceAnswer | undefined;
  /** Called once: when there is an answer, or it took too long. */
  whenKnown(listener: () => void): void;
}

/** An upstream whose nodes come from a registry: compiled anew when they change. */
export class DiscoveredUpstream {
  readonly #service: ServiceNodes;
  readonly #compile: (nodes: readonly UpstreamNode[]) => CompiledUpstream;
  #answer: ServiceAnswer | undefined;
  #current: CompiledUpstream | undefined;

  constructor(
    service: ServiceNodes,
    compile: (nodes: readonly UpstreamNode[]) => CompiledUpstream,
  ) {
    this.#service = service;
    this.#compile = compile;
  }

  /** As `base`, the one that has this, but with nodes. Undefined: they are not known yet. */
  current(base: CompiledUpstream): CompiledUpstream | undefined {
    const { answer } = this.#service;
    if (answer === undefined) return undefined;
    if (answer !== this.#answer || this.#current === undefined) {
      this.#answer = answer;
      this.#current =
        'nodes' in answer
          ? { ...this.#compile(answer.nodes), tls: base.tls }
          : this.without(base, answer.failure);
    }
    return this.#current;
  }

  /** `base` where there are no nodes, and why. */
  without(base: CompiledUpstream, reason: string): CompiledUpstream {
    return { ...base, discovered: undefined, whyNoNode: reason };
  }

  whenKnown(listener: () => void): void {
    this.#service.whenKnown(listener);
  }
}

/** Where nobody asks any registry. */
export function unknownService(type: string | undefined): ServiceNodes {
  const failure =
    type === undefined ? 'discovery server need appoint' : `discovery ${type} is uninitialized`;
  return { answer: { failure }, whenKnown: (listener) => listener() };
}
