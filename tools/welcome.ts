import path from 'node:path';
import type { GatewayConfig, ListenAddress } from '@polygate/chassis';

/** Where the data plane listens. */
interface GatewayAddress extends ListenAddress {
  readonly tls: boolean;
}

/** What a person wants to know when everything runs. */
export function welcome(
  config: GatewayConfig,
  addresses: { admin: ListenAddress | undefined; gateway: readonly GatewayAddress[] },
): string {
  const urlsOf = (tls: boolean): string[] =>
    addresses.gateway.filter((one) => one.tls === tls).map((one) => urlOf(one, tls));
  const gateway = urlsOf(false);
  const secure = urlsOf(true);
  const lines = [''];
  if (gateway.length > 0) lines.push(`Polygate serves on ${gateway.join(', ')}`);
  if (secure.length > 0) lines.push(`with the certificates of /ssls on ${secure.join(', ')}`);
  if (addresses.admin !== undefined) {
    const admin = `${urlOf(addresses.admin, config.admin.https)}/apisix/admin`;
    const keyFile = path.join(config.polygate.dataDir, 'admin.key');
    const madeKey = config.admin.keyRequired && config.admin.keys.length === 0;
    lines.push(`Admin API on ${admin}`);
    if (madeKey) lines.push(`Admin key in ${keyFile}`);
    lines.push('', 'Try:');
    if (config.polygate.sample && gateway.length > 0) lines.push(`  curl ${gateway[0]}/hello`);
    const key = madeKey ? ` -H "X-API-KEY: $(cat ${keyFile})"` : '';
    lines.push(`  curl ${admin}/routes${key}`);
  }
  return `${lines.join('\n')}\n`;
}

function urlOf({ host, port }: ListenAddress, https = false): string {
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const literal = shown.includes(':') ? `[${shown}]` : shown;
  return `${https ? 'https' : 'http'}://${literal}:${port}`;
}
