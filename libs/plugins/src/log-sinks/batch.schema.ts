/** How entries are gathered into batches; every logger that sends them away has these in its conf. */
export interface BatchConf {
  /** Names the batches in logs and metrics. */
  readonly name: string;
  readonly batch_max_size: number;
  readonly max_retry_count: number;
  /** Seconds. */
  readonly retry_delay: number;
  /** Seconds. */
  readonly buffer_duration: number;
  /** Seconds. */
  readonly inactive_timeout: number;
}

/** What a worker holds of one plugin, unless its metadata say otherwise. */
export const PENDING_ENTRIES_MAX = 8192;

/** Source: apisix/utils/batch-processor.lua. */
export function batchSchema(name: string): Readonly<Record<string, unknown>> {
  return {
    name: { type: 'string', default: name },
    max_retry_count: { type: 'integer', minimum: 0, default: 0 },
    retry_delay: { type: 'integer', minimum: 0, default: 1 },
    buffer_duration: { type: 'integer', minimum: 1, default: 60 },
    inactive_timeout: { type: 'integer', minimum: 1, default: 5 },
    batch_max_size: { type: 'integer', minimum: 1, default: 1000 },
  };
}

/** Source: apisix/utils/batch-processor-manager.lua. */
export const BATCH_METADATA_SCHEMA = {
  max_pending_entries: {
    type: 'integer',
    minimum: 1,
    default: PENDING_ENTRIES_MAX,
    description: 'entries of one worker that wait to be sent; further ones are discarded',
  },
};
