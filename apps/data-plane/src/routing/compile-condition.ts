import { compileExpression } from '@polygate/model';
import type { ExpressionVars } from '@polygate/model';

/** Variables as conditions see them. */
export interface ConditionVars {
  get(name: string): string | undefined;
  /** The same, where variables of the body keep their type: a list, a number. */
  readonly typed?: ExpressionVars;
}

/** Variables that may be more than a text. */
const TYPED = /^(?:post_arg[._]|graphql_)/;

/**
 * `vars` of a route, or a `filter`. Only expressions that name variables of the body ask for typed
 * values. Throws ConfigError, see `compileExpression`.
 */
export function compileCondition(rules: unknown): (vars: ConditionVars) => boolean {
  const holds = compileExpression(rules);
  return namesTyped(rules) ? (vars) => holds(vars.typed ?? vars) : holds;
}

function namesTyped(rules: unknown): boolean {
  if (!Array.isArray(rules)) return false;
  return rules.some((part) => (typeof part === 'string' ? TYPED.test(part) : namesTyped(part)));
}
