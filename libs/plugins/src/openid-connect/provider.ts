import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { HeaderList } from '@polygate/plugin-sdk';
import { HttpCaller, callableUrl, type HttpAnswer } from '../http-call.ts';
import { signatureVerifier, type SignatureVerifier } from '../jwt-signature.ts';
import type { OpenidConnectConf, ProxyConf } from './conf.ts';

export type Json = Readonly<Record<string, unknown>>;

/** What the provider or a token did wrong: for the log, and in part for the client. */
export class OpenidError extends Error {}

/** One key of the provider, ready for each algorithm that it was used with. */
interface ProviderKey {
  readonly id: string | undefined;
  readonly key: KeyObject;
  readonly verifiers: Map<string, SignatureVerifier | undefined>;
}

/** What is sent to an endpoint. */
export interface ProviderForm {
  readonly headers: HeaderList;
  readonly fields: URLSearchParams;
  /** Whether it may be sent again when the connection was cut. */
  readonly isRepeatable: boolean;
}

interface Cached<T> {
  readonly value: T;
  readonly fetchedMs: number;
}

const DISCOVERY_TTL_MS = 24 * 3600 * 1000;
const KEYS_MAX = 100;
/** A token may name any key id: the key set is not fetched anew for each that is not in it. */
const KEYS_REFETCH_MS = 10_000;
const NEVER = new AbortController().signal;

/** An OpenID provider: its discovery document, its keys, and calls to it. One per conf. */
export class Provider {
  readonly #conf: OpenidConnectConf;
  readonly #caller: HttpCaller;
  #metadata: Cached<Json> | undefined;
  #fetchingMetadata: Promise<Json> | undefined;
  #keys: Cached<readonly ProviderKey[]> | undefined;
  #fetchingKeys: Promise<readonly ProviderKey[]> | undefined;
  /** In the place of the provider's own, when the conf has one. */
  readonly #ownKeys: readonly ProviderKey[] | undefined;

  constructor(conf: OpenidConnectConf) {
    this.#conf = conf;
    const { timeout, proxy_opts: proxy, public_key: pem } = conf;
    this.#ownKeys = pem === undefined ? undefined : ownKeys(pem);
    this.#caller = new HttpCaller({
      // APISIX once stored milliseconds
      timeoutMs: timeout >= 1000 && timeout % 1000 === 0 ? timeout : timeout * 1000,
      verifyTls: conf.ssl_verify,
      keepAlive: { idleMs: 60_000, connectionsMax: 5 },
      ...(proxy !== undefined && { proxy: proxyEnvironment(proxy) }),
    });
  }

  close(): void {
    this.#caller.close();
  }

  /** The discovery document. Rejects with an OpenidError. One fetch serves all who wait for it. */
  async metadata(): Promise<Json> {
    const known = this.#metadata;
    if (known !== undefined && Date.now() - known.fetchedMs < DISCOVERY_TTL_MS) return known.value;
    this.#fetchingMetadata ??= this.#getJson(this.#conf.discovery, 'discovery url')
      .then((value) => {
        this.#metadata = { value, fetchedMs: Date.now() };
        return value;
      })
      .finally(() => {
        this.#fetchingMetadata = undefined;
      });
    return this.#fetchingMetadata;
  }

  /** An endpoint out of the discovery document. Rejects with an OpenidError without it. */
  async endpoint(name: string): Promise<string> {
    const url = (await this.metadata())[name];
    if (typeof url === 'string') return url;
    throw new OpenidError(`the discovery document has no ${name}`);
  }

  /** Those keys that a token with this key id may be signed by, with the algorithm. */
  async verifiers(keyId: unknown, algorithm: string): Promise<readonly SignatureVerifier[]> {
    if (this.#ownKeys !== undefined) return verifiersIn(this.#ownKeys, undefined, algorithm);
    const known = await this.#keySet(this.#conf.jwk_expires_in * 1000);
    const found = verifiersIn(known, keyId, algorithm);
    if (found.length > 0) return found;
    return verifiersIn(await this.#keySet(KEYS_REFETCH_MS), keyId, algorithm);
  }

  async #keySet(ageMsMax: number): Promise<readonly ProviderKey[]> {
    const known = this.#keys;
    if (known !== undefined && Date.now() - known.fetchedMs < ageMsMax) return known.value;
    this.#fetchingKeys ??= this.endpoint('jwks_uri')
      .then((url) => this.#getJson(url, 'jwks_uri'))
      .then((document) => {
        const value = keysOf(document);
        this.#keys = { value, fetchedMs: Date.now() };
        return value;
      })
      .finally(() => {
        this.#fetchingKeys = undefined;
      });
    return this.#fetchingKeys;
  }

  async #getJson(url: string, what: string): Promise<Json> {
    try {
      return jsonOf(await this.fetch(url, new HeaderList(), NEVER));
    } catch (error) {
      throw new OpenidError(`accessing ${what} (${url}) failed: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Rejects when there is no answer. */
  fetch(url: string, headers: HeaderList, signal: AbortSignal): Promise<HttpAnswer> {
    const request = { url: urlOf(url), method: 'GET', headers, isRepeatable: true } as const;
    return this.#caller.call(request, signal);
  }

  /** The JSON object that an endpoint answers to a form with. Rejects with an OpenidError. */
  async post(url: string, form: ProviderForm, signal: AbortSignal): Promise<Json> {
    return jsonOf(await this.send(url, form, signal));
  }

  /** As `post`, of an endpoint whose answer says nothing. */
  send(url: string, form: ProviderForm, signal: AbortSignal): Promise<HttpAnswer> {
    const { headers, isRepeatable } = form;
    headers.set('Content-Type', 'application/x-www-form-urlencoded');
    const body = form.fields.toString();
    const request = { url: urlOf(url), method: 'POST', headers, body, isRepeatable } as const;
    return this.#caller.call(request, signal);
  }
}

function urlOf(text: string): URL {
  const url = callableUrl(text);
  if (url === undefined) throw new OpenidError(`bad uri: ${text}`);
  return url;
}

/** The JSON object of an answer. Throws an OpenidError without one. */
export function jsonOf({ status, body }: HttpAnswer): Json {
  // what the body says of the failure may hold a token or a secret: not into the log
  if (status < 200 || status > 299) {
    throw new OpenidError(`response indicates failure, status=${status}${errorCodeIn(body)}`);
  }
  try {
    const value: unknown = JSON.parse(body.toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch (cause) {
    throw new OpenidError('JSON decoding failed', { cause });
  }
  throw new OpenidError('JSON decoding failed');
}

/** The error code of RFC 6749, which is a word. */
function errorCodeIn(body: Buffer): string {
  const code = /"error"\s*:\s*"([a-z_]{1,64})"/.exec(body.subarray(0, 4096).toString())?.[1];
  return code === undefined ? '' : `, error=${code}`;
}

/** None, when it is no key: then no signature holds, the same as with a key of another. */
function ownKeys(pem: string): readonly ProviderKey[] {
  try {
    return [{ id: undefined, key: createPublicKey(pem), verifiers: new Map() }];
  } catch {
    // see above
    return [];
  }
}

function keysOf(document: Json): readonly ProviderKey[] {
  const list: readonly unknown[] = Array.isArray(document['keys']) ? document['keys'] : [];
  return list.slice(0, KEYS_MAX).flatMap((entry): ProviderKey[] => {
    const jwk = entry as Json;
    if (typeof entry !== 'object' || entry === null || jwk['use'] === 'enc') return [];
    try {
      const key = createPublicKey({ key: jwk, format: 'jwk' });
      const id = typeof jwk['kid'] === 'string' ? jwk['kid'] : undefined;
      return [{ id, key, verifiers: new Map() }];
    } catch {
      // a key of a kind that is not known here, and any secret one, verifies nothing
      return [];
    }
  });
}

function verifiersIn(
  keys: readonly ProviderKey[],
  keyId: unknown,
  algorithm: string,
): readonly SignatureVerifier[] {
  return keys
    .filter(({ id }) => keyId === undefined || id === keyId)
    .flatMap((one) => {
      if (!one.verifiers.has(algorithm)) {
        one.verifiers.set(algorithm, verifierOf(one.key, algorithm));
      }
      return one.verifiers.get(algorithm) ?? [];
    });
}

/** Undefined for an algorithm that is not known, or that the key is not made for. */
export function verifierOf(key: KeyObject, algorithm: string): SignatureVerifier | undefined {
  try {
    return signatureVerifier(algorithm, key);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function proxyEnvironment(proxy: ProxyConf): Record<string, string> {
  const http = withCredentials(proxy.http_proxy, proxy.http_proxy_authorization);
  const https = withCredentials(proxy.https_proxy, proxy.https_proxy_authorization);
  return {
    ...(http !== undefined && { HTTP_PROXY: http }),
    ...(https !== undefined && { HTTPS_PROXY: https }),
    ...(proxy.no_proxy !== undefined && { NO_PROXY: proxy.no_proxy }),
  };
}

/** `Basic …` becomes a part of the proxy's address, where node looks for it. */
function withCredentials(address?: string, authorization?: string): string | undefined {
  const url = address === undefined ? undefined : callableUrl(address);
  const encoded = /^Basic +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (url === undefined || encoded === undefined) return address;
  const [username = '', ...password] = Buffer.from(encoded, 'base64').toString().split(':');
  url.username = username;
  url.password = password.join(':');
  return url.href;
}
