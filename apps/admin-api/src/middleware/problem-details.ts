import { STATUS_CODES } from 'node:http';
import type { Answer } from '../answer.ts';

const MEDIA_TYPE = 'application/problem+json';

/**
 * An error as RFC 9457 has it, with all fields of the original, for clients that name the type in
 * `Accept`. The others get APISIX's bytes, which differ from one error to the next.
 */
export function asProblem(accept: string, answer: Answer): Answer {
  const { status, body } = answer;
  if (status < 400 || !accept.toLowerCase().includes(MEDIA_TYPE)) return answer;
  const title = STATUS_CODES[status] ?? 'Error';
  const { error_msg, message, ...more } = readBody(body);
  const detail = [error_msg, message, title].find((text) => typeof text === 'string') ?? title;
  const problem = { type: 'about:blank', title, status, detail, error_msg: detail, ...more };
  return { ...answer, body: problem, headers: { ...answer.headers, 'Content-Type': MEDIA_TYPE } };
}

function readBody(body: string | object | undefined): Record<string, unknown> {
  if (typeof body === 'object') return { ...body };
  return body === undefined || body === '' ? {} : { message: body };
}
