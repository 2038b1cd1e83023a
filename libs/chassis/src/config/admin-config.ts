import type { AdminConfig } from './gateway-config.ts';
import type { WrittenConfig } from './keys/known-keys.ts';
import { pathOf, type ReadContext } from './read-context.ts';

/** The key that APISIX's older releases and half of all tutorials come with. */
const PUBLICLY_KNOWN_KEY = 'edd1c9f034335f136f87ad84b625c8f1';

/** `deployment.admin`. A control plane always has the Admin API, a data plane never. */
export function readAdmin(written: WrittenConfig, context: ReadContext): AdminConfig {
  const { admin, role } = written.deployment;
  const { findings, warnings } = context;
  const enabled =
    role === 'control_plane' || (role === 'traditional' && written.apisix.enable_admin);
  const mtls = admin.admin_api_mtls;
  if (admin.https_admin && (mtls.admin_ssl_cert === '' || mtls.admin_ssl_cert_key === '')) {
    findings.problems.push(
      'deployment.admin.admin_api_mtls: admin_ssl_cert and admin_ssl_cert_key are needed, ' +
        'as https_admin is true',
    );
  }
  const config: AdminConfig = {
    enabled,
    listen: { host: admin.admin_listen.ip, port: admin.admin_listen.port },
    keyRequired: admin.admin_key_required,
    keys: admin.admin_key
      .filter(({ key }) => key !== '')
      .map(({ name, key, role: keyRole }) => ({ name, key, role: keyRole ?? 'admin' })),
    allowCidrs: admin.allow_admin === 'any' ? ['0.0.0.0/0', '::/0'] : admin.allow_admin,
    cors: admin.enable_admin_cors,
    ui: admin.enable_admin_ui,
    https: admin.https_admin,
    // whatever is not v3 is v2: apisix/admin/v3_adapter.lua
    apiVersion: admin.admin_api_version === 'v3' ? 'v3' : 'v2',
    ...adminFile('certFile', 'admin_ssl_cert', mtls, context),
    ...adminFile('keyFile', 'admin_ssl_cert_key', mtls, context),
    ...adminFile('clientCaFile', 'admin_ssl_ca_cert', mtls, context),
  };
  if (enabled) warnings.push(...adminWarnings(config));
  return config;
}

function adminWarnings(admin: AdminConfig): string[] {
  const warnings: string[] = [];
  if (!admin.keyRequired) {
    warnings.push(
      'deployment.admin.admin_key_required is false: whoever reaches the Admin API may change ' +
        'everything',
    );
  }
  const known = admin.keys.filter(({ key }) => key === PUBLICLY_KNOWN_KEY);
  for (const { name } of known) {
    warnings.push(
      `deployment.admin.admin_key "${name}" IS THE PUBLICLY KNOWN DEFAULT KEY OF APISIX: anybody ` +
        'who reaches the Admin API can use it, replace it now',
    );
  }
  if (admin.allowCidrs.includes('0.0.0.0/0')) {
    warnings.push('deployment.admin.allow_admin lets every address call the Admin API');
  }
  return warnings;
}

function adminFile<F extends string, K extends keyof Mtls>(
  field: F,
  key: K,
  mtls: Mtls,
  { findings }: ReadContext,
) {
  return pathOf(field, `deployment.admin.admin_api_mtls.${key}`, mtls[key], findings);
}

type Mtls = WrittenConfig['deployment']['admin']['admin_api_mtls'];
