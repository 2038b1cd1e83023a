import { compileSchema, ConfigError } from '@polygate/model';

export interface BatchItem {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly body?: string;
}

export interface Batch {
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly timeout: number;
  readonly pipeline: readonly BatchItem[];
}

const object = { type: 'object' };
const METHODS = 'GET POST PUT DELETE PATCH HEAD OPTIONS CONNECT TRACE PURGE'.split(' ');

const check = compileSchema({
  type: 'object',
  properties: {
    query: object,
    headers: object,
    timeout: { type: 'integer', minimum: 1, default: 30000 },
    pipeline: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        additionalProperties: false,
        properties: {
          version: { type: 'number', enum: [1.0, 1.1], default: 1.1 },
          method: { type: 'string', enum: METHODS, default: 'GET' },
          path: { type: 'string', minLength: 1 },
          query: object,
          headers: object,
          body: { type: 'string' },
          ssl_verify: { type: 'boolean', default: false },
        },
        required: ['path'],
      },
    },
  },
  anyOf: [{ required: ['pipeline'] }],
});

/** The batch with defaults filled in, or what is wrong with it in APISIX's words. */
export function readBatch(body: Buffer): Batch | string {
  const text = body.toString();
  let batch: unknown;
  try {
    batch = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `invalid request body: ${text}, err: ${jsonProblem(text) ?? error.message}`;
  }
  try {
    check(batch);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return `bad request body: ${error.message}`;
  }
  return batch as Batch;
}

/** As cjson has it, for what does not even begin as JSON. */
function jsonProblem(text: string): string | undefined {
  const start = text.search(/[^ \t\r\n]/);
  if (start === -1) return `Expected value but found T_END at character ${text.length + 1}`;
  if (/^["{[\-0-9]|^(true|false|null)/.test(text.slice(start))) return undefined;
  return `Expected value but found invalid token at character ${start + 1}`;
}
