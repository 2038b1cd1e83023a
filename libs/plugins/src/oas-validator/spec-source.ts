import { HeaderList, type Logger } from '@polygate/plugin-sdk';
import { HttpCaller } from '../http-call.ts';
import { DocumentError } from './document-error.ts';
import type { OasValidatorConf } from './oas-validator.schema.ts';
import { OpenApiValidator } from './openapi-validator.ts';

/** Where the validator of a conf comes from. Rejects with what is to be logged. */
export interface SpecSource {
  /** A promise only where somebody has to be asked. */
  validator(): OpenApiValidator | Promise<OpenApiValidator>;
  close(): void;
}

export function specSource(conf: OasValidatorConf, ttlSeconds: number, log: Logger): SpecSource {
  if (conf.spec !== undefined) return writtenSource(conf.spec);
  return new FetchedSource(conf, ttlSeconds * 1000, log);
}

/** A document in the conf that cannot be used fails requests, not the conf, as in APISIX. */
function writtenSource(spec: string): SpecSource {
  let read: OpenApiValidator | Error;
  try {
    read = new OpenApiValidator(spec);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    read = new Error(`failed to compile openapi spec, err: ${error.message}`, { cause: error });
  }
  return {
    validator: () => (read instanceof Error ? Promise.reject(read) : read),
    close: () => {},
  };
}

/**
 * Fetches the document when a request needs it, and again in the background when its time is over: until
 * then the old one serves. What failed is asked for anew by the next request.
 */
class FetchedSource implements SpecSource {
  readonly #conf: OasValidatorConf;
  readonly #ttlMs: number;
  readonly #log: Logger;
  readonly #caller: HttpCaller;
  readonly #end = new AbortController();
  #current: { readonly validator: OpenApiValidator; readonly fetchedMs: number } | undefined;
  #fetching: Promise<OpenApiValidator> | undefined;

  constructor(conf: OasValidatorConf, ttlMs: number, log: Logger) {
    this.#conf = conf;
    this.#ttlMs = ttlMs;
    this.#log = log;
    const { timeout: timeoutMs, ssl_verify: verifyTls } = conf;
    this.#caller = new HttpCaller({ timeoutMs, verifyTls, keepAlive: undefined });
  }

  validator(): OpenApiValidator | Promise<OpenApiValidator> {
    const current = this.#current;
    if (current === undefined) return this.#fetch();
    const isOld = performance.now() - current.fetchedMs > this.#ttlMs;
    // requests that come meanwhile need not hear of it, and the log not once for each
    if (isOld && this.#fetching === undefined) {
      this.#fetch().catch((error: Error) => this.#log.error(error.message));
    }
    return current.validator;
  }

  close(): void {
    this.#end.abort();
    this.#caller.close();
  }

  #fetch(): Promise<OpenApiValidator> {
    this.#fetching ??= this.#ask().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #ask(): Promise<OpenApiValidator> {
    const { spec_url: url = '', spec_url_request_headers: fields = {} } = this.#conf;
    const headers = HeaderList.fromRaw(Object.entries(fields).flat());
    const request = { url: new URL(url), method: 'GET', headers, isRepeatable: true } as const;
    const answer = await this.#caller.call(request, this.#end.signal).catch((cause: Error) => {
      throw new Error(`failed to fetch spec from URL: ${cause.message}`, { cause });
    });
    if (answer.status !== 200) throw new Error(`spec URL returned status ${answer.status}`);
    try {
      const validator = new OpenApiValidator(answer.body.toString());
      this.#current = { validator, fetchedMs: performance.now() };
      return validator;
    } catch (cause) {
      if (!(cause instanceof DocumentError)) throw cause;
      const what = 'failed to compile openapi spec fetched from URL';
      throw new Error(`${what}: ${cause.message}`, { cause });
    }
  }
}
