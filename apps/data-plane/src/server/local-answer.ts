import { STATUS_CODES } from 'node:http';
import type { LocalReply } from '@polygate/plugin-sdk';
import { HeaderList } from '@polygate/plugin-sdk';

export interface LocalAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/**
 * What goes out for a reply of the gateway itself. As in APISIX: objects are JSON with a newline
 * behind; a status of 300 or more without a body is an HTML page as nginx makes it.
 */
export function makeLocalAnswer(reply: LocalReply, productName: string): LocalAnswer {
  const headers = new HeaderList();
  for (const [name, value] of Object.entries(reply.headers ?? {})) headers.set(name, value);
  const { body, contentType } = encodeBody(reply, productName);
  if (contentType !== undefined && !headers.has('content-type')) {
    headers.set('Content-Type', contentType);
  }
  if (reply.status !== 204 && reply.status !== 304) {
    headers.set('Content-Length', String(reply.stream?.bytes ?? body.length));
  }
  return { status: reply.status, headers, body };
}

function encodeBody(
  reply: LocalReply,
  productName: string,
): { body: Buffer; contentType: string | undefined } {
  const { body, status, stream } = reply;
  if (stream !== undefined) return { body: Buffer.alloc(0), contentType: undefined };
  const contentType = 'text/plain; charset=utf-8';
  if (typeof body === 'string') return { body: Buffer.from(body), contentType };
  if (body instanceof Uint8Array) return { body: Buffer.from(body), contentType };
  // APISIX sends its JSON with this content type too.
  if (body !== undefined) return { body: Buffer.from(`${JSON.stringify(body)}\n`), contentType };
  if (status < 300 || status === 304) return { body: Buffer.alloc(0), contentType: undefined };
  return { body: errorPage(status, productName), contentType: 'text/html; charset=utf-8' };
}

/** Where nginx words a status in its own way. */
const NGINX_TEXTS: Readonly<Record<number, string>> = {
  302: 'Found',
  408: 'Request Time-out',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  416: 'Requested Range Not Satisfiable',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** The reason phrase of a status, as nginx writes it. */
export function statusText(status: number): string {
  return NGINX_TEXTS[status] ?? STATUS_CODES[status] ?? '';
}

function errorPage(status: number, productName: string): Buffer {
  const title = `${status} ${statusText(status)}`.trim();
  return Buffer.from(
    `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n` +
      `<center><h1>${title}</h1></center>\r\n<hr><center>${productName}</center>\r\n` +
      '</body>\r\n</html>\r\n',
  );
}
