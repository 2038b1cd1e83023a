import { GatewayError } from '@polygate/plugin-sdk';
import { utf8ToHeaderText } from './wire-text.ts';

/** How long the body is, is the gateway's to say: a runner that errs could smuggle messages. */
export const FRAMING_HEADERS: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
]);

/** What RFC 9110 calls a token. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const NO_CONTROL = /^[\t\x20-\x7e]*$/;

/** Throws RUNNER_FAILED. */
export function requireHeaderName(name: string): void {
  if (HEADER_NAME.test(name)) return;
  throw new GatewayError(
    'RUNNER_FAILED',
    `the runner set a header with a bad name: ${JSON.stringify(name.slice(0, 80))}`,
  );
}

/** Control characters are escaped, as OpenResty does, so that no value can begin a new header. */
export function headerText(value: string): string {
  if (NO_CONTROL.test(value)) return value;
  return utf8ToHeaderText(value.replace(/[\0-\x08\x0a-\x1f\x7f]/g, percentOf));
}

export function percentOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Throws RUNNER_FAILED. */
export function requireStatus(status: number): void {
  if (status >= 200 && status <= 999) return;
  throw new GatewayError('RUNNER_FAILED', `the runner answered with status ${status}`);
}
