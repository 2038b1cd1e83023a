import type { GatewayConfig } from '@polygate/chassis';

/** Written by hand: what is wrong in it is better said than served in part. */
export function isStandalone({ configProvider }: Pick<GatewayConfig, 'configProvider'>): boolean {
  return configProvider !== 'etcd' && configProvider !== 'embedded';
}
