import type { Logger } from '@polygate/chassis';
import type { UpstreamNode } from '@polygate/model';
import type { ServiceAnswer } from '../upstream/discovered-upstream.ts';
import type { ServiceName, ServicePlace } from './discovery-messages.ts';

/** A registry, as the main thread knows it. What it knows stays when the registry is lost. */
export interface ServiceSource {
  /** Undefined: the registry has not answered yet. */
  find(name: string, place?: ServicePlace): ServiceAnswer | undefined;
  /** Some worker needs the service now. */
  want?(name: string, place?: ServicePlace): void;
  /** None does any more. */
  unwant?(name: string, place?: ServicePlace): void;
  /** All services of this registry that the configuration names, whether anybody needs them or not. */
  expect?(services: readonly ServiceName[]): void;
  /** For `/v1/discovery/<type>/dump`; left out: there is no such endpoint. */
  dump?(): object;
  /** For `/v1/discovery/<type>/show_dump_file`. */
  showDumpFile?(): { readonly status: number; readonly body: string };
  /** Whether it has all that it is to have before the gateway is ready. */
  readonly isReady: boolean;
  close(): void;
}

export type RegistryLog = Pick<Logger, 'info' | 'warn' | 'error'>;

/** What sources tell of. */
export interface SourceEvents {
  /** Undefined: all services may have changed. */
  readonly onChange: (name?: string) => void;
}

/** As APISIX says it when a registry gives no error of its own. */
export const NOT_FOUND: ServiceAnswer = { failure: 'no valid upstream node: nil' };

const PORT_MAX = 65_535;
const HOST = /^[^\s/?#@[\]]{1,253}$/;

/** Nodes of a registry are checked like anybody else's: APISIX's schema `discovery_nodes`. */
export function checkedAnswer(answer: ServiceAnswer): ServiceAnswer {
  if ('failure' in answer) return answer;
  const wrong = answer.nodes.find((node) => !isNode(node));
  return wrong === undefined
    ? answer
    : { failure: `invalid nodes format: ${JSON.stringify(wrong).slice(0, 200)}` };
}

function isNode({ host, port, weight, priority = 0 }: UpstreamNode): boolean {
  const isPort = port === undefined || (Number.isInteger(port) && port >= 1 && port <= PORT_MAX);
  const isWeight = Number.isInteger(weight) && weight >= 0;
  return (
    typeof host === 'string' && HOST.test(host) && isPort && isWeight && Number.isInteger(priority)
  );
}
