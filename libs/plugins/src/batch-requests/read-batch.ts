import { compileSchema, ConfigError } from '@polygate/model';
import { readJson } from '../json-problem.ts';

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
  const read = readJson(text);
  if (read.problem !== undefined) {
    return `invalid request body: ${text}, err: ${read.problem}`;
  }
  const batch = read.value;
  try {
    check(batch);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return `bad request body: ${error.message}`;
  }
  return batch as Batch;
}
