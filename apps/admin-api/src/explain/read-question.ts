import { compileSchema, isIpAddress } from '@polygate/model';
import type { Explain } from '@polygate/rpc';
import { type Answer, refusal } from '../answer.ts';

const TEXT_MAX = 8192;
const BODY_CHARS_MAX = 65_536;
const TOKEN = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$";
const headerValue = { type: 'string', maxLength: TEXT_MAX, pattern: '^[^\\x00\\r\\n]*$' } as const;

/** The body of `POST /apisix/admin/polygate/explain`. */
export const EXPLAIN_SCHEMA = {
  type: 'object',
  properties: {
    method: { type: 'string', pattern: '^[A-Z-]{1,32}$', default: 'GET' },
    uri: {
      type: 'string',
      minLength: 1,
      maxLength: TEXT_MAX,
      pattern: '^[^\\x00-\\x20\\x7f]*$',
      description: 'path, and query behind a question mark',
    },
    host: { type: 'string', maxLength: 256, pattern: '^[^\\x00-\\x20\\x7f]*$' },
    headers: {
      type: 'object',
      maxProperties: 100,
      patternProperties: {
        [TOKEN]: { anyOf: [headerValue, { type: 'array', maxItems: 20, items: headerValue }] },
      },
      additionalProperties: false,
    },
    client_ip: { type: 'string', maxLength: 64, default: '127.0.0.1' },
    scheme: { type: 'string', enum: ['http', 'https'], default: 'http' },
    consumer: { type: 'string', minLength: 1, maxLength: 256 },
    body: { type: 'string', maxLength: BODY_CHARS_MAX },
    body_args: {
      type: 'object',
      maxProperties: 100,
      additionalProperties: { type: 'string', maxLength: TEXT_MAX },
      description: 'a form, sent as application/x-www-form-urlencoded',
    },
    data_plane: {
      type: 'string',
      maxLength: 256,
      description: 'instance_id of the one to ask; default: the one that connected first',
    },
  },
  required: ['uri'],
  additionalProperties: false,
} as const;

interface WrittenQuestion {
  readonly method: string;
  readonly uri: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly client_ip: string;
  readonly scheme: string;
  readonly consumer?: string;
  readonly body?: string;
  readonly body_args?: Readonly<Record<string, string>>;
  readonly data_plane?: string;
}

export interface ReadQuestion {
  readonly question: Omit<Explain, 'questionId'>;
  readonly dataPlane: string | undefined;
}

const check = compileSchema(EXPLAIN_SCHEMA);

/** The question, or the refusal of a body that is none. `body` gets its defaults filled in. */
export function readQuestion(body: unknown): ReadQuestion | Answer {
  try {
    check(body);
  } catch (error) {
    return refusal(400, `invalid question: ${(error as Error).message}`);
  }
  const written = body as WrittenQuestion;
  const { method, uri, scheme, consumer, data_plane: dataPlane } = written;
  if (!isIpAddress(written.client_ip)) {
    return refusal(400, 'invalid question: property "client_ip" validation failed: no IP address');
  }
  if (written.body !== undefined && written.body_args !== undefined) {
    return refusal(400, 'invalid question: only one of body and body_args');
  }
  const headers = headersOf(written);
  const { body_args: form } = written;
  const text = form === undefined ? written.body : new URLSearchParams(form).toString();
  const question = {
    method,
    target: uri,
    headers,
    clientAddress: written.client_ip,
    scheme,
    consumer: consumer ?? '',
    body: text === undefined ? undefined : Buffer.from(text),
  };
  return { question, dataPlane };
}

function headersOf(written: WrittenQuestion): { name: string; value: string }[] {
  const headers = Object.entries(written.headers ?? {}).flatMap(([name, value]) =>
    [value].flat().map((one) => ({ name, value: one })),
  );
  const has = (wanted: string) => headers.some(({ name }) => name.toLowerCase() === wanted);
  if (written.host !== undefined && !has('host')) {
    headers.push({ name: 'Host', value: written.host });
  }
  if (written.body_args !== undefined && !has('content-type')) {
    headers.push({ name: 'Content-Type', value: 'application/x-www-form-urlencoded' });
  }
  return headers;
}
