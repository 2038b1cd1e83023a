import {
  flag,
  freeForm,
  integer,
  listOf,
  oneOf,
  section,
  text,
  unused,
  type KeyRule,
} from './key-rules.ts';
import { cidr, host, isHttpUrl, port, seconds } from './value-rules.ts';

const CONFIG_PROVIDERS = ['etcd', 'embedded', 'yaml', 'json', 'xds'] as const;

const provider = section({ config_provider: oneOf(CONFIG_PROVIDERS, undefined) });

/** Without the key it is APISIX's default; with an empty value anybody may call, as in APISIX. */
const cidrList = listOf(cidr, ['127.0.0.0/24'], { expects: 'a list of IP addresses or CIDRs' });
const allowAdmin: KeyRule<readonly string[] | 'any'> = {
  expects: cidrList.expects,
  read: (value, path, findings) => (value === null ? 'any' : cidrList.read(value, path, findings)),
};

const ADMIN = section({
  admin_key_required: flag(true),
  admin_key: listOf(
    section({
      name: text('admin'),
      key: text(''),
      role: oneOf(['admin', 'viewer'], undefined),
    }),
    [],
    { expects: 'a list of mappings with name, key and role' },
  ),
  enable_admin_cors: flag(true),
  enable_admin_ui: unused(flag(true)),
  allow_admin: allowAdmin,
  admin_listen: section({ ip: host('127.0.0.1'), port: port(9180) }),
  https_admin: flag(false),
  admin_api_mtls: section({
    admin_ssl_cert: text(''),
    admin_ssl_cert_key: text(''),
    admin_ssl_ca_cert: text(''),
  }),
  admin_api_version: oneOf(['v3', 'v2', 'default'], 'v3'),
});

const ETCD = section({
  host: listOf(text('', 'an http or https URL', isHttpUrl), ['http://127.0.0.1:2379'], {
    expects: 'a list of URLs',
    itemsMin: 1,
  }),
  prefix: text('/apisix', 'a path such as /apisix', (value) => value.startsWith('/')),
  timeout: seconds(30_000, 1),
  watch_timeout: unused(seconds(50_000, 1)),
  resync_delay: seconds(5000, 0),
  health_check_timeout: unused(seconds(10_000, -1)),
  startup_retry: unused(integer(2, 0)),
  user: text(undefined),
  password: text(undefined),
  tls: section({
    cert: text(undefined),
    key: text(undefined),
    verify: flag(true),
    sni: text(undefined),
  }),
});

export const DEPLOYMENT = section({
  role: oneOf(['traditional', 'control_plane', 'data_plane'], 'traditional'),
  role_traditional: provider,
  role_control_plane: provider,
  role_data_plane: provider,
  admin: ADMIN,
  etcd: ETCD,
  certs: unused(freeForm()),
});
