import { compileExpression, ConfigError } from '@polygate/model';

/** What every plugin that logs requests has in its conf; each schema has its own selection. */
export interface LogEntryConf {
  readonly log_format?: Readonly<Record<string, unknown>>;
  readonly log_format_extra?: Readonly<Record<string, unknown>>;
  readonly include_req_body?: boolean;
  readonly include_req_body_expr?: readonly unknown[];
  readonly include_resp_body?: boolean;
  readonly include_resp_body_expr?: readonly unknown[];
  readonly max_req_body_bytes?: number;
  readonly max_resp_body_bytes?: number;
  /** Expressions; one that holds is enough. */
  readonly match?: readonly unknown[];
}

const EXPRESSION_SCHEMA = { type: 'array', minItems: 1, items: { type: 'array' } };
const BODY_BYTES_SCHEMA = { type: 'integer', minimum: 1, default: 524288 };

/** The fields about bodies, as most of the loggers of APISIX have them. */
export const LOGGED_BODIES_SCHEMA = {
  include_req_body: { type: 'boolean', default: false },
  include_req_body_expr: EXPRESSION_SCHEMA,
  include_resp_body: { type: 'boolean', default: false },
  include_resp_body_expr: EXPRESSION_SCHEMA,
  max_req_body_bytes: BODY_BYTES_SCHEMA,
  max_resp_body_bytes: BODY_BYTES_SCHEMA,
};

export const LOG_FORMAT_SCHEMA = {
  log_format: { type: 'object' },
  log_format_extra: { type: 'object' },
};

export const LOG_MATCH_SCHEMA = {
  match: { type: 'array', maxItems: 20, items: { type: 'array' } },
};

/**
 * The expressions of a conf. Throws a ConfigError that names the field. Source: check_log_schema of
 * apisix/utils/log-util.lua; `match` is checked as a whole, as file-logger does it.
 */
export function checkLogEntryConf(conf: LogEntryConf): void {
  checkExpressions(conf, ['include_req_body_expr', 'include_resp_body_expr', 'match']);
}

/** The same for a logger without `match`. */
export function checkBodyExpressions(conf: LogEntryConf): void {
  checkExpressions(conf, ['include_req_body_expr', 'include_resp_body_expr']);
}

type ExpressionField = 'include_req_body_expr' | 'include_resp_body_expr' | 'match';

function checkExpressions(conf: LogEntryConf, fields: readonly ExpressionField[]): void {
  for (const field of fields) {
    const rules = conf[field];
    if (rules === undefined) continue;
    try {
      compileExpression(rules);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError(`failed to validate the '${field}' expression: ${reason}`, { cause });
    }
  }
}
