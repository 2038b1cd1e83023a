import { GatewayError } from '@polygate/plugin-sdk';

/** For the log: an accident by its code, anything else with its stack. */
export function describeError(error: unknown): string {
  if (error instanceof GatewayError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
