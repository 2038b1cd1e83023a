import { cloneJson, isJsonObject, type JsonObject } from '../json-value.ts';
import type { PluginSchemas } from '../resources/checks/check-plugins.ts';
import type { JsonSchemaObject } from '../schema/validator.ts';
import { decryptFields, encryptFields } from './field-encryption.ts';
import { decryptPrivateKey, encryptPrivateKey, type Keyring } from './text-encryption.ts';

/** `apisix.data_encryption` of the configuration. */
export interface DataEncryption {
  /** Whether fields of plugins are encrypted; private keys are whenever there is a keyring. */
  readonly enabled: boolean;
  readonly keyring: Keyring;
}

export interface EncryptionOptions {
  readonly encryption: DataEncryption;
  /** Confs of plugins that are not in here stay as they are. */
  readonly plugins: ReadonlyMap<string, PluginSchemas>;
}

export interface DecryptedResource {
  /** A copy; the value itself when nothing in it can be encrypted. */
  readonly value: unknown;
  /** Fields that no key fits, as `key-auth.key`; they are left as they are stored. */
  readonly failed: readonly string[];
}

/**
 * What is stored of a valid object: a copy with the `encrypt_fields` of plugin confs and private
 * keys encrypted. `kind` is the collection, as `routes`; `name` the plugin of plugin_metadata.
 * Sources: encrypt_conf in apisix/admin/*.lua, aes_encrypt_pkey of apisix/ssl.lua.
 */
export function encryptResource<T>(
  kind: string,
  value: T,
  { plugins, encryption, name }: EncryptionOptions & { readonly name?: string | undefined },
): T {
  const { enabled, keyring } = encryption;
  if (!isJsonObject(value) || keyring.length === 0) return value;
  const copy = cloneJson<JsonObject>(value);
  if (enabled) {
    eachConf(kind, copy, { plugins, name }, (schema, conf) => encryptFields(schema, conf, keyring));
  }
  eachPrivateKey(kind, copy, (key) => encryptPrivateKey(key, keyring));
  return copy as T;
}

/**
 * The object with plugin confs in clear, as the Admin API shows it: private keys stay encrypted.
 * Source: decrypt_params of apisix/admin/utils.lua.
 */
export function decryptPluginConfs(
  kind: string,
  value: unknown,
  { plugins, encryption, name }: EncryptionOptions & { readonly name?: string | undefined },
): DecryptedResource {
  const { enabled, keyring } = encryption;
  if (!isJsonObject(value) || keyring.length === 0 || !enabled) return { value, failed: [] };
  if (!hasEncryptedFields(kind, value, { plugins, name })) return { value, failed: [] };
  const failed: string[] = [];
  const copy = cloneJson<JsonObject>(value);
  eachConf(kind, copy, { plugins, name }, (schema, conf, plugin) => {
    for (const path of decryptFields(schema, conf, keyring)) failed.push(`${plugin}.${path}`);
  });
  return { value: copy, failed };
}

/** The object with private keys in clear as well, as the gateway uses it. */
export function decryptResource(
  kind: string,
  value: unknown,
  options: EncryptionOptions & { readonly name?: string | undefined },
): DecryptedResource {
  const { keyring } = options.encryption;
  const { value: decrypted, failed } = decryptPluginConfs(kind, value, options);
  if (!isJsonObject(decrypted) || !hasPrivateKey(kind, decrypted)) {
    return { value: decrypted, failed };
  }
  const copy = cloneJson<JsonObject>(decrypted);
  const failedKeys: string[] = [];
  eachPrivateKey(kind, copy, (key, path) => {
    const clear = decryptPrivateKey(key, keyring);
    if (clear === undefined) failedKeys.push(path);
    return clear ?? key;
  });
  return { value: copy, failed: [...failed, ...failedKeys] };
}

/** Most objects have none, and are not copied for nothing. */
function hasEncryptedFields(
  kind: string,
  value: JsonObject,
  which: Pick<EncryptionOptions, 'plugins'> & { readonly name: string | undefined },
): boolean {
  let found = false;
  eachConf(kind, value, which, (schema) => {
    if (schema['encrypt_fields'] !== undefined) found = true;
  });
  return found;
}

type VisitConf = (schema: JsonSchemaObject, conf: JsonObject, plugin: string) => void;

function eachConf(
  kind: string,
  value: JsonObject,
  { plugins, name }: Pick<EncryptionOptions, 'plugins'> & { readonly name: string | undefined },
  visit: VisitConf,
): void {
  if (kind === 'plugin_metadata') {
    const plugin = name ?? value['id'];
    const schema = typeof plugin === 'string' ? plugins.get(plugin)?.metadataSchema : undefined;
    if (schema !== undefined) visit(schema, value, String(plugin));
    return;
  }
  const confs = value['plugins'];
  if (!isJsonObject(confs)) return;
  const ofConsumer = kind === 'consumers' || kind === 'credentials';
  for (const [plugin, conf] of Object.entries(confs)) {
    const schemas = plugins.get(plugin);
    if (schemas === undefined || !isJsonObject(conf)) continue;
    visit((ofConsumer && schemas.consumerSchema) || schemas.schema, conf, plugin);
  }
}

type ReplaceKey = (key: string, path: string) => string;

function eachPrivateKey(kind: string, value: JsonObject, replace: ReplaceKey): void {
  if (kind === 'ssls') {
    const { key, keys } = value;
    if (typeof key === 'string') value['key'] = replace(key, 'key');
    if (!Array.isArray(keys)) return;
    value['keys'] = keys.map((one: unknown) =>
      typeof one === 'string' ? replace(one, 'keys') : one,
    );
    return;
  }
  const tls = clientTls(kind, value);
  if (tls === undefined || typeof tls['client_key'] !== 'string') return;
  tls['client_key'] = replace(tls['client_key'], 'tls.client_key');
}

function hasPrivateKey(kind: string, value: JsonObject): boolean {
  return kind === 'ssls' || clientTls(kind, value)?.['client_key'] !== undefined;
}

function clientTls(kind: string, value: JsonObject): JsonObject | undefined {
  const upstream = kind === 'upstreams' ? value : value['upstream'];
  const tls = isJsonObject(upstream) ? upstream['tls'] : undefined;
  return isJsonObject(tls) ? tls : undefined;
}
