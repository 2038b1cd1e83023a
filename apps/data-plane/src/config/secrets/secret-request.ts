import http from 'node:http';
import https from 'node:https';

const TIMEOUT_MS = 5000;
const ANSWER_BYTES_MAX = 1024 * 1024;

export interface SecretRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Whether the server must show a certificate of a trusted authority. Default true. */
  readonly verify?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Asks a secret manager. Takes 5 seconds and 1 MiB at most and follows no redirect, for what it sends
 * is secret; rejects with Error.
 */
export function requestSecret(
  asked: SecretRequest,
): Promise<{ readonly status: number; readonly text: string }> {
  const { method, url, headers, body, verify = true } = asked;
  const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const options = { method, headers, agent: false, signal };
  return new Promise((resolve, reject) => {
    const onResponse = (response: http.IncomingMessage): void => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX)
          request.destroy(new Error(`more than ${ANSWER_BYTES_MAX} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
    };
    const request =
      url.protocol === 'https:'
        ? https.request(url, { ...options, rejectUnauthorized: verify }, onResponse)
        : http.request(url, options, onResponse);
    request.on('error', reject);
    request.end(body);
  });
}
