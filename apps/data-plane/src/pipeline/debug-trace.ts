import { PHASE_WIRE_NAME } from '@polygate/plugin-sdk';
import type { Phase } from '@polygate/plugin-sdk';
import type { GatewayContext } from '../request/gateway-context.ts';

/** They run when the head is gone, so a plugin that has one is said to run it. */
const PHASES_AFTER_HEAD = ['bodyFilter', 'delayedBodyFilter', 'log'] as const;

/** `limit-conn#access` of one request, each once, in order. */
export class DebugTrace {
  readonly #steps = new Set<string>();
  #headSent = false;

  /** What the header can no longer say goes to the log. */
  note(plugin: string, phase: Phase, ctx: Pick<GatewayContext, 'log'>): void {
    const step = `${plugin}#${PHASE_WIRE_NAME[phase]}`;
    if (this.#steps.has(step)) return;
    this.#steps.add(step);
    if (this.#headSent) ctx.log.warn(`Apisix-Plugins: ${step}`);
  }

  /**
   * The header `Apisix-Plugins`. What follows the head is taken from the route's chain; global rules
   * are logged when they run, as in apisix/plugin.lua (`trace_expected_plugins_for_debug`).
   */
  finishHead(ctx: Pick<GatewayContext, 'chain' | 'log'>): string {
    for (const phase of PHASES_AFTER_HEAD) {
      for (const { owner } of ctx.chain[phase]) this.note(owner.name, phase, ctx);
    }
    this.#headSent = true;
    return this.#steps.size === 0 ? 'no plugin' : [...this.#steps].join(', ');
  }
}
