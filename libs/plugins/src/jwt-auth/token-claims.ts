import { claimOf } from '../json-web-token.ts';

export type VerifiedClaim = 'exp' | 'nbf';

export interface ClaimRules {
  /** Those the token must have; undefined or empty: both are looked at where it has them. */
  readonly required: readonly VerifiedClaim[] | undefined;
  readonly graceSeconds: number;
  /** Since the epoch, whole. */
  readonly nowSeconds: number;
}

/** What is wrong with the times of a token. Source: apisix/plugins/jwt-auth/parser.lua, verify_claims. */
export function claimsProblem(
  claims: Readonly<Record<string, unknown>>,
  rules: ClaimRules,
): string | undefined {
  const { required = [] } = rules;
  // an empty list does not turn the checks off: an expired token would pass
  const names: readonly VerifiedClaim[] = required.length === 0 ? ['nbf', 'exp'] : required;
  for (const name of names) {
    const claim = claimOf(claims, name);
    if (claim === undefined) {
      if (required.length === 0) continue;
      return `claim ${name} is missing`;
    }
    if (typeof claim !== 'number') return `claim ${name} is not a number`;
    const problem = timeProblem(name, claim, rules);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function timeProblem(
  name: VerifiedClaim,
  atSeconds: number,
  { graceSeconds, nowSeconds }: ClaimRules,
): string | undefined {
  const at = new Date(atSeconds * 1000).toUTCString();
  if (name === 'nbf') {
    return atSeconds < nowSeconds + graceSeconds ? undefined : `'nbf' claim not valid until ${at}`;
  }
  return atSeconds > nowSeconds - graceSeconds ? undefined : `'exp' claim expired at ${at}`;
}
