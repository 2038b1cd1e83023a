import { ConfigError, isSecretReference } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { MAX_REQ_BODY_SIZE } from '../bounded-body.schema.ts';
import { jsonProblem } from '../json-problem.ts';

export interface OasValidatorConf {
  /** Bytes. */
  readonly max_req_body_size: number;
  /** An OpenAPI document as JSON; it or `spec_url` is there. */
  readonly spec?: string;
  readonly spec_url?: string;
  readonly spec_url_request_headers?: Readonly<Record<string, string>>;
  readonly ssl_verify: boolean;
  /** Milliseconds. */
  readonly timeout: number;
  /** Whether clients see what is wrong. */
  readonly verbose_errors: boolean;
  readonly skip_request_body_validation: boolean;
  readonly skip_request_header_validation: boolean;
  readonly skip_query_param_validation: boolean;
  readonly skip_path_params_validation: boolean;
  readonly reject_if_not_match: boolean;
  readonly rejection_status_code: number;
}

const OFF = { type: 'boolean', default: false };

/** Source: apisix/plugins/oas-validator.lua. */
export const definition: PluginDefinition<OasValidatorConf> = {
  name: 'oas-validator',
  version: 0.1,
  priority: 512,
  schema: {
    type: 'object',
    properties: {
      max_req_body_size: MAX_REQ_BODY_SIZE,
      spec: {
        description: 'schema against which the request/response will be validated',
        type: 'string',
        minLength: 1,
      },
      spec_url: {
        description: 'URL to fetch the OpenAPI spec from',
        type: 'string',
        pattern: '^https?://',
      },
      spec_url_request_headers: {
        description: 'custom HTTP headers to include when fetching spec_url',
        type: 'object',
        additionalProperties: { type: 'string' },
      },
      ssl_verify: {
        description: 'whether to verify SSL certificate when fetching spec_url',
        ...OFF,
      },
      timeout: {
        description: 'HTTP request timeout in milliseconds for fetching spec_url',
        type: 'integer',
        minimum: 1000,
        maximum: 60_000,
        default: 10_000,
      },
      verbose_errors: OFF,
      skip_request_body_validation: OFF,
      skip_request_header_validation: OFF,
      skip_query_param_validation: OFF,
      skip_path_params_validation: OFF,
      reject_if_not_match: { type: 'boolean', default: true },
      rejection_status_code: {
        description: 'HTTP status code to return when request validation fails',
        type: 'integer',
        minimum: 400,
        maximum: 599,
        default: 400,
      },
    },
    oneOf: [{ required: ['spec'] }, { required: ['spec_url'] }],
  },
  metadataSchema: {
    type: 'object',
    properties: {
      spec_url_ttl: {
        description: 'TTL in seconds for cached spec fetched from spec_url',
        type: 'integer',
        minimum: 1,
        default: 3600,
      },
    },
  },
  check({ spec }) {
    if (spec === undefined || isSecretReference(spec)) return;
    const problem = jsonProblem(spec);
    if (problem !== undefined) {
      throw new ConfigError(`invalid JSON string provided, err: ${problem}`);
    }
  },
};
