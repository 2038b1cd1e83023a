import { compileExpression, ConfigError, isSecretReference } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { isHeaderChanges, type HeadersToSet } from '../header-changes.ts';
import { compileFilter, type FilterConf } from './body-filters.ts';

export interface HeaderChanges {
  /** `Name: value` each. */
  readonly add?: readonly string[];
  readonly set?: HeadersToSet;
  readonly remove?: readonly string[];
}

export interface ResponseRewriteConf {
  readonly max_resp_body_size: number;
  /** The old form is what `set` is in the new one. */
  readonly headers?: HeaderChanges | HeadersToSet;
  readonly body?: string;
  readonly body_base64: boolean;
  readonly status_code?: number;
  readonly vars?: readonly unknown[];
  readonly filters?: readonly FilterConf[];
}

const TEXTS = {
  type: 'object',
  minProperties: 1,
  patternProperties: { '^[^:]+$': { oneOf: [{ type: 'string' }, { type: 'number' }] } },
};

/** Source: apisix/plugins/response-rewrite.lua. */
export const definition: PluginDefinition<ResponseRewriteConf> = {
  name: 'response-rewrite',
  version: 0.1,
  priority: 899,
  schema: {
    type: 'object',
    properties: {
      max_resp_body_size: {
        type: 'integer',
        minimum: 1,
        default: 67108864,
        description:
          'maximum response body size in bytes buffered into memory when filters are applied; ' +
          'larger responses are truncated',
      },
      headers: {
        description: 'new headers for response',
        anyOf: [
          TEXTS,
          {
            properties: {
              add: {
                type: 'array',
                minItems: 1,
                items: { type: 'string', pattern: '^[^:]+:[^:]*[^/]$' },
              },
              set: TEXTS,
              remove: {
                type: 'array',
                minItems: 1,
                items: { type: 'string', pattern: '^[^:]+$' },
              },
            },
          },
        ],
      },
      body: { description: 'new body for response', type: 'string' },
      body_base64: {
        description: 'whether new body for response need base64 decode before return',
        type: 'boolean',
        default: false,
      },
      status_code: {
        description: 'new status code for response',
        type: 'integer',
        minimum: 200,
        maximum: 598,
      },
      vars: { type: 'array' },
      filters: {
        description:
          'a group of filters that modify response body' +
          'by replacing one specified string by another',
        type: 'array',
        minItems: 1,
        items: {
          description: 'filter that modifies response body',
          type: 'object',
          required: ['regex', 'replace'],
          properties: {
            regex: { description: 'match pattern on response body', type: 'string', minLength: 1 },
            scope: {
              description: 'regex substitution range',
              type: 'string',
              enum: ['once', 'global'],
              default: 'once',
            },
            replace: { description: 'regex substitution content', type: 'string' },
            options: { description: 'regex options', type: 'string', default: 'jo' },
          },
        },
      },
    },
    dependencies: {
      body: { not: { required: ['filters'] } },
      filters: { not: { required: ['body'] } },
    },
  },
  check(conf) {
    if (conf.headers !== undefined && !isHeaderChanges(conf.headers)) checkSet(conf.headers);
    if (conf.body_base64) checkBase64(conf.body ?? '');
    if (conf.vars !== undefined) checkVars(conf.vars);
    for (const filter of conf.filters ?? []) compileFilter(filter);
  },
};

function checkSet(headers: HeadersToSet): void {
  for (const [field, value] of Object.entries(headers)) {
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new ConfigError('invalid type as header value');
    }
    if (field === '') throw new ConfigError('invalid field length in header');
  }
}

/** A body that is to be looked up in a secret manager is not base64 yet. */
function checkBase64(body: string): void {
  if (isSecretReference(body)) return;
  const wellFormed = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
  if (body === '' || !wellFormed.test(body)) throw new ConfigError('invalid base64 content');
}

function checkVars(vars: readonly unknown[]): void {
  try {
    compileExpression(vars);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`failed to validate the 'vars' expression: ${reason}`, { cause });
  }
}
