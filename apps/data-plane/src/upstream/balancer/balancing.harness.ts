// Test-only: requests as balancers see them, and how even a distribution is.
import type { BalancedRequest } from './balancer.ts';

export const REQUEST: BalancedRequest = requestWith({ remote_addr: '127.0.0.1' });

export function requestWith(
  vars: Readonly<Record<string, string>>,
  username?: string,
): BalancedRequest {
  return {
    vars: { get: (name) => vars[name] },
    consumer: username === undefined ? undefined : { username },
  };
}

/** Of counts against the shares that they should have. */
export function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  return counts.reduce((sum, count, i) => {
    const expected = (total * (shares[i] ?? 0)) / whole;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}
