import type { ConfigProvider } from './gateway-config.ts';
import { isMapping } from './keys/key-rules.ts';
import type { WrittenConfig } from './keys/known-keys.ts';
import { ETCD_HOST_VARIABLE, type ReadContext } from './read-context.ts';

const NOT_BUILT: Readonly<Record<string, string>> = {
  yaml: 'yaml is for the roles traditional and data_plane, use etcd or embedded',
  json: 'json is for the role data_plane, use etcd or embedded',
  xds: 'xds is not built yet, use etcd, yaml or json',
  embedded: 'embedded is for the roles traditional and control_plane, use etcd, yaml or json',
};

/**
 * Where the configuration comes from. APISIX's roles and providers, and `embedded`, a store of ours
 * in a file, which needs nothing installed: the default as long as the file says nothing of etcd.
 */
export function chooseProvider(
  { deployment, apisix: { enable_admin: adminEnabled } }: WrittenConfig,
  { document, env, findings }: ReadContext,
): ConfigProvider {
  const { role } = deployment;
  const section = `role_${role}` as const;
  const provider = deployment[section].config_provider;
  if (provider === undefined) {
    if (role === 'data_plane') return 'etcd';
    const written = document['deployment'];
    const namesEtcd = isMapping(written) && isMapping(written['etcd']);
    return namesEtcd || env[ETCD_HOST_VARIABLE] ? 'etcd' : 'embedded';
  }
  if (provider === 'etcd') return provider;
  if (role === 'data_plane' && (provider === 'yaml' || provider === 'json')) return provider;
  if (role !== 'data_plane' && provider === 'embedded') return provider;
  // Without an Admin API there is the file: apisix/core/config_yaml.lua, is_use_admin_api.
  if (role === 'traditional' && provider === 'yaml') return adminEnabled ? 'memory' : 'yaml';
  const reason = provider === 'xds' && role !== 'data_plane' ? undefined : NOT_BUILT[provider];
  const fallback = `${provider} does not fit the role ${role}, use etcd or embedded`;
  findings.problems.push(`deployment.${section}.config_provider: ${reason ?? fallback}`);
  return 'etcd';
}
