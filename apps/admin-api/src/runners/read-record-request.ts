import { compileSchema } from '@polygate/model';
import type { RecordCallsRequest } from '@polygate/rpc';
import { type Answer, refusal } from '../answer.ts';

/** The body of `POST …/runners/{name}/record`; none at all records the next ten calls. */
export const RECORD_SCHEMA = {
  type: 'object',
  properties: {
    calls: { type: 'integer', minimum: 1, maximum: 1000, default: 10 },
    timeout_ms: { type: 'integer', minimum: 1, maximum: 600_000, default: 60_000 },
    plugin: {
      type: 'string',
      minLength: 1,
      maxLength: 256,
      description: 'only calls whose conf has this plugin',
    },
    trace_id: {
      type: 'string',
      pattern: '^[0-9a-f]{32}$',
      description: 'only calls of this trace (W3C)',
    },
    failed_only: { type: 'boolean', default: false },
  },
  additionalProperties: false,
} as const;

interface WrittenRequest {
  readonly calls: number;
  readonly timeout_ms: number;
  readonly plugin?: string;
  readonly trace_id?: string;
  readonly failed_only: boolean;
}

export interface ReadRecordRequest {
  readonly request: Omit<RecordCallsRequest, 'runner'>;
  readonly timeoutMs: number;
}

const check = compileSchema(RECORD_SCHEMA);

export function readRecordRequest(body: unknown = {}): ReadRecordRequest | Answer {
  try {
    check(body);
  } catch (error) {
    return refusal(400, `invalid recording: ${(error as Error).message}`);
  }
  const written = body as WrittenRequest;
  return {
    timeoutMs: written.timeout_ms,
    request: {
      plugin: written.plugin ?? '',
      traceId: written.trace_id ?? '',
      failedOnly: written.failed_only,
      callsMax: written.calls,
    },
  };
}
