import type { Logger } from '@polygate/plugin-sdk';
import { endpointUrl, type HttpTarget } from '../log-sinks/log-sink-http.ts';

/** Versions whose bulk API wants a type with each entry; later ones refuse it. */
const TYPED_VERSIONS: ReadonlySet<string> = new Set(['5', '6']);

/** Which Elasticsearch it is: asked before the first batch, and again as long as no answer came. */
export class ElasticsearchVersion {
  readonly #target: HttpTarget;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #log: Pick<Logger, 'error'>;
  #major: string | undefined;

  constructor(
    target: HttpTarget,
    headers: Readonly<Record<string, string>>,
    log: Pick<Logger, 'error'>,
  ) {
    this.#target = target;
    this.#headers = headers;
    this.#log = log;
  }

  /** Never rejects: a version that cannot be had is taken for a new one. */
  async needsType(address: string): Promise<boolean> {
    try {
      this.#major ??= await this.#ask(address);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.error(`failed to get Elasticsearch version: ${reason}`);
    }
    return TYPED_VERSIONS.has(this.#major ?? '');
  }

  async #ask(address: string): Promise<string> {
    const { status, body } = await this.#target.get(endpointUrl(address), this.#headers);
    const text = body.toString();
    if (status !== 200) throw new Error(`server returned status: ${status}, body: ${text}`);
    const number = versionIn(text);
    if (number === undefined) throw new Error('failed to get version from response body');
    const major = /^(\d+)\./.exec(number)?.[1];
    if (major === undefined) throw new Error(`invalid version format: ${number}`);
    return major;
  }
}

function versionIn(text: string): string | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new Error('failed to decode response body', { cause });
  }
  const number = (answer as { version?: { number?: unknown } } | null)?.version?.number;
  return typeof number === 'string' ? number : undefined;
}
