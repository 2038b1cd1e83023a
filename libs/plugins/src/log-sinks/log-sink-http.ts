import { HeaderList } from '@polygate/plugin-sdk';
import { callableUrl, HttpCaller, type HttpAnswer, type HttpCallerOptions } from '../http-call.ts';
import { failureText, isConnectFailure, isTlsFailure } from './log-sink-failure.ts';

/** A log server. What is asked of it rejects with a sentence when no answer comes; any answer is one. */
export interface HttpTarget {
  get(url: URL, headers: Readonly<Record<string, string>>): Promise<HttpAnswer>;
  post(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string | Buffer,
  ): Promise<HttpAnswer>;
  close(): void;
}

export function openHttpTarget(options: HttpCallerOptions): HttpTarget {
  const caller = new HttpCaller(options);
  const never = new AbortController().signal;
  const call = async (
    method: 'GET' | 'POST',
    url: URL,
    { headers, body }: { headers: Readonly<Record<string, string>>; body?: string | Buffer },
  ): Promise<HttpAnswer> => {
    const list = new HeaderList();
    for (const [name, value] of Object.entries(headers)) list.append(name, value);
    const request = { url, method, headers: list, isRepeatable: true };
    try {
      return await caller.call(body === undefined ? request : { ...request, body }, never);
    } catch (error) {
      throw error instanceof Error ? describe(error, url) : error;
    }
  };
  return {
    get: (url, headers) => call('GET', url, { headers }),
    post: (url, headers, body) => call('POST', url, { headers, body }),
    close: () => caller.close(),
  };
}

/** For an endpoint out of a conf, which need not say `http` by name: that is then what it is. */
export function endpointUrl(text: string): URL {
  const url = callableUrl(text) ?? callableUrl(text.replace(/^[^/]*:\/\//, 'http://'));
  if (url === undefined) throw new Error(`not an address: ${text}`);
  return url;
}

/** Without brackets, as APISIX names it. */
export function portOf({ port, protocol }: URL): string {
  if (port !== '') return port;
  return protocol === 'https:' ? '443' : '80';
}

function describe(error: Error, url: URL): Error {
  const { hostname } = url;
  const place = `host[${hostname}] port[${portOf(url)}] `;
  const reason = failureText(error, hostname);
  if (isConnectFailure(error)) {
    return new Error(`failed to connect to ${place}${reason}`, { cause: error });
  }
  if (isTlsFailure(error)) {
    const text = `failed to perform SSL with ${place}${reason}`;
    return new Error(text, { cause: error });
  }
  const text = `error while sending data to [${hostname}] port[${portOf(url)}] ${reason}`;
  return new Error(text, { cause: error });
}
