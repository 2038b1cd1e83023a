import { posix } from 'node:path';
import {
  isEnvironmentReference,
  resolveEnvironmentReference,
  type Variables,
} from './environment-reference.ts';
import type { Resolution } from './resolve-references.ts';

/** `/secrets/vault/<id>` of the store. */
export interface VaultConf {
  readonly uri: string;
  readonly prefix: string;
  readonly token: string;
  readonly namespace?: string;
}

const TIMEOUT_MS = 5000;
const ANSWER_BYTES_MAX = 1024 * 1024;

export function isVaultConf(value: unknown): value is VaultConf {
  if (typeof value !== 'object' || value === null) return false;
  const { uri, prefix, token, namespace } = value as Partial<Record<keyof VaultConf, unknown>>;
  const texts = [uri, prefix, token];
  return (
    texts.every((text) => typeof text === 'string') &&
    (namespace === undefined || typeof namespace === 'string')
  );
}

/**
 * Reads `<path>/<field>` below the prefix of a key-value engine, version 1 or 2 (there the prefix
 * ends in `data`, as Vault's own path does). Takes 5 seconds at most; never rejects. Source:
 * apisix/secret/vault.lua, which knows version 1 only.
 */
export async function readVault(
  conf: VaultConf,
  key: string,
  { variables, signal }: { readonly variables: Variables; readonly signal: AbortSignal },
): Promise<Resolution> {
  const slash = key.lastIndexOf('/');
  if (slash === -1) return { reason: `error key format, key: ${key}` };
  const path = key.slice(0, slash);
  const field = key.slice(slash + 1);
  if (path === '') return { reason: `can't find main key, key: ${key}` };
  if (field === '') return { reason: `can't find sub key, key: ${key}` };
  try {
    const url =
      conf.uri.replace(/\/+$/, '') + encodeURI(posix.normalize(`/v1/${conf.prefix}/${path}`));
    const response = await fetch(url, {
      headers: {
        'X-Vault-Token': tokenOf(conf, variables),
        ...(conf.namespace !== undefined && { 'X-Vault-Namespace': conf.namespace }),
      },
      // a token must not follow wherever an answer points
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    return fieldOf(await readText(response), field, response.status);
  } catch (error) {
    return { reason: `failed to retrieve data from vault: ${causeOf(error)}` };
  }
}

function tokenOf({ token }: VaultConf, variables: Variables): string {
  if (!isEnvironmentReference(token)) return token;
  const resolution = resolveEnvironmentReference(token, variables);
  return 'value' in resolution && typeof resolution.value === 'string' ? resolution.value : token;
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    const part = chunk as Uint8Array;
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function fieldOf(text: string, field: string, status: number): Resolution {
  const answer = parse(text);
  const data = objectIn(answer, 'data');
  if (data === undefined) return { reason: `vault answered ${status} without data` };
  const inner = objectIn(data, 'metadata') === undefined ? undefined : objectIn(data, 'data');
  for (const holder of [data, inner]) {
    if (holder === undefined || !Object.hasOwn(holder, field)) continue;
    const value = holder[field];
    if (value !== null) return { value };
  }
  return { reason: `vault has no field ${field} there` };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // what is no JSON has no data
    return undefined;
  }
}

function objectIn(value: unknown, name: string): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  const member = (value as Record<string, unknown>)[name];
  const isObject = typeof member === 'object' && member !== null && !Array.isArray(member);
  return isObject ? (member as Record<string, unknown>) : undefined;
}

/** `fetch` says only that it failed; the reason is in the cause. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}
