import { makeLocalAnswer, statusText } from './local-answer.ts';

/** What a client gets whose bytes are no request. nginx answers these without the configuration, too. */
export function refusalText(status: number, productName: string): string {
  const { body } = makeLocalAnswer({ status }, productName);
  return (
    `HTTP/1.1 ${status} ${statusText(status)}\r\nServer: ${productName}\r\n` +
    `Date: ${new Date().toUTCString()}\r\nContent-Type: text/html; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body.toString('latin1')}`
  );
}
