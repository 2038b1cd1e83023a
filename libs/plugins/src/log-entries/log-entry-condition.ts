import { compileExpression } from '@polygate/model';
import type { Logger, RequestContext } from '@polygate/plugin-sdk';

export type Condition = (ctx: RequestContext) => boolean;

/** Undefined for no rules. An expression that cannot be worked out does not hold: nothing is logged. */
export function compileCondition(rules: readonly unknown[] | undefined): Condition | undefined {
  if (rules === undefined) return undefined;
  const expression = compileExpression(rules);
  return ({ vars, log }) => {
    try {
      return expression(vars);
    } catch (error) {
      log.error(`failed to evaluate a condition of the log: ${reasonOf(error)}`);
      return false;
    }
  };
}

/** The same for a field that not every logger checks: rules that are none never hold. */
export function compileLenient(
  rules: readonly unknown[] | undefined,
  log: Logger,
): Condition | undefined {
  try {
    return compileCondition(rules);
  } catch (error) {
    log.error(`generate expr err ${reasonOf(error)}`);
    return () => false;
  }
}

/** `match`: expressions of which one has to hold; one that is none, which the schema lets in, never does. */
export function compileMatch(match: readonly unknown[], log: Logger): Condition {
  const conditions = match.flatMap((rules) => {
    try {
      return compileCondition(rules as readonly unknown[]) ?? [];
    } catch (error) {
      log.error(`an expression of 'match' is left out: ${reasonOf(error)}`);
      return [];
    }
  });
  return (ctx) => conditions.some((holds) => holds(ctx));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
