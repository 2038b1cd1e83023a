import { PHASES } from '@polygate/plugin-sdk';
import type {
  BodyHandler,
  Phase,
  RequestHandler,
  ResponseHandler,
  Variables,
} from '@polygate/plugin-sdk';

/** One plugin with one conf, ready to run. Made once per conf and shared by all chains it is in. */
export interface PreparedPlugin {
  readonly name: string;
  readonly priority: number;
  readonly isAuth: boolean;
  readonly runPolicy: 'prefer_route' | undefined;
  readonly prepared: unknown;
  readonly handlers: {
    readonly [P in Phase]?:
      RequestHandler<unknown> | ResponseHandler<unknown> | BodyHandler<unknown>;
  };
  /** `_meta.filter`, compiled. */
  readonly filter: ((vars: Variables) => boolean) | undefined;
  /** `_meta.error_response`. */
  readonly errorResponse: string | object | undefined;
  /** Where the conf stands, as `route/1`: for explaining and logging. */
  readonly origin: string;
  readonly dispose: (() => void) | undefined;
}

export interface Step<Handler = unknown> {
  readonly owner: PreparedPlugin;
  readonly phase: Phase;
  readonly run: Handler;
}

export interface PluginChain {
  /** In order of execution. */
  readonly plugins: readonly PreparedPlugin[];
  readonly rewrite: readonly Step<RequestHandler<unknown>>[];
  readonly access: readonly Step<RequestHandler<unknown>>[];
  readonly beforeProxy: readonly Step<RequestHandler<unknown>>[];
  readonly response: readonly Step<RequestHandler<unknown>>[];
  readonly headerFilter: readonly Step<ResponseHandler<unknown>>[];
  readonly bodyFilter: readonly Step<BodyHandler<unknown>>[];
  readonly delayedBodyFilter: readonly Step<BodyHandler<unknown>>[];
  readonly log: readonly Step<ResponseHandler<unknown>>[];
  /** Rewrite steps of plugins that only the consumer brought, auth plugins excepted. */
  readonly rewriteInConsumer: readonly Step<RequestHandler<unknown>>[];
}

export const EMPTY_CHAIN: PluginChain = makeChain([]);

/**
 * Sorts by priority, highest first, and lays the handlers out by phase.
 * `fromConsumer`: plugins whose rewrite phase still has to run after the consumer is known.
 */
export function makeChain(
  plugins: readonly PreparedPlugin[],
  fromConsumer: ReadonlySet<PreparedPlugin> = new Set(),
): PluginChain {
  const sorted = [...plugins].sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
  const steps = Object.fromEntries(
    PHASES.map((phase) => [phase, stepsOf(sorted, phase)]),
  ) as unknown as Omit<PluginChain, 'plugins' | 'rewriteInConsumer'>;
  return {
    plugins: sorted,
    ...steps,
    rewriteInConsumer: steps.rewrite.filter(
      ({ owner }) => fromConsumer.has(owner) && !owner.isAuth,
    ),
  };
}

function stepsOf(plugins: readonly PreparedPlugin[], phase: Phase): Step[] {
  return plugins.flatMap((owner) => {
    const run = owner.handlers[phase];
    return run === undefined ? [] : [{ owner, phase, run }];
  });
}
