import { GatewayError } from '@polygate/plugin-sdk';
import type { BodyHandler } from '@polygate/plugin-sdk';
import type { Step } from '../pipeline/plugin-chain.ts';
import { runBodyPhase } from '../pipeline/run-phase.ts';
import type { GatewayContext } from '../request/gateway-context.ts';

type Steps = readonly Step<BodyHandler<unknown>>[];

const EMPTY = Buffer.alloc(0);

/** The body filters of one answer, and what they wait for. */
export class BodyFilters {
  /** The head waits for the whole body. */
  readonly isHolding: boolean;
  readonly #ctx: GatewayContext;
  readonly #bytesMax: number;
  readonly #phases: readonly Steps[];
  readonly #held: Buffer[] = [];
  #heldBytes = 0;

  private constructor(
    ctx: GatewayContext,
    bytesMax: number,
    phases: readonly Steps[],
    isHolding: boolean,
  ) {
    this.#ctx = ctx;
    this.#bytesMax = bytesMax;
    this.#phases = phases;
    this.isHolding = isHolding;
  }

  /** Undefined where no plugin looks at bodies: then bytes pass untouched. */
  static of(ctx: GatewayContext, bytesMax: number, isBodiless: boolean): BodyFilters | undefined {
    const { globalRules, chain } = ctx;
    const count =
      globalRules.bodyFilter.length +
      chain.bodyFilter.length +
      globalRules.delayedBodyFilter.length +
      chain.delayedBodyFilter.length;
    if (count === 0) return undefined;
    const phases = [
      globalRules.bodyFilter,
      chain.bodyFilter,
      globalRules.delayedBodyFilter,
      chain.delayedBodyFilter,
    ];
    return new BodyFilters(ctx, bytesMax, phases, ctx.response.bodyHeld && !isBodiless);
  }

  /**
   * A chunk of the upstream, whose memory is used again after this; undefined when nothing is to be sent
   * yet. Throws RESPONSE_BODY_TOO_LARGE.
   */
  take(chunk: Buffer): Buffer | undefined {
    const own = Buffer.from(chunk);
    if (!this.isHolding) return this.#run(own, false);
    this.#held.push(own);
    this.#heldBytes += own.length;
    if (this.#heldBytes > this.#bytesMax) {
      throw new GatewayError('RESPONSE_BODY_TOO_LARGE', `over ${this.#bytesMax} bytes`);
    }
    return undefined;
  }

  /** The last of the body. */
  finish(): Buffer {
    return this.#run(this.isHolding ? Buffer.concat(this.#held, this.#heldBytes) : EMPTY, true);
  }

  #run(chunk: Buffer, isLast: boolean): Buffer {
    let current = chunk;
    for (const steps of this.#phases) {
      if (steps.length > 0) current = runBodyPhase(steps, this.#ctx, current, isLast);
    }
    return current;
  }
}
