import type { GatewayConfig } from './config/gateway-config.ts';
import type { Logger } from './logger.ts';

/** Says once, when a process starts, what its configuration file has that deserves a warning. */
export function logFindings(
  { warnings, withoutEffect }: Pick<GatewayConfig, 'warnings' | 'withoutEffect'>,
  log: Pick<Logger, 'warn'>,
): void {
  for (const warning of warnings) log.warn(warning);
  if (withoutEffect.length > 0) {
    log.warn(`these keys have no effect here: ${withoutEffect.join(', ')}`);
  }
}
