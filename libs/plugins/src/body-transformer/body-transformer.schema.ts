import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { MAX_REQ_BODY_SIZE } from '../bounded-body.schema.ts';
import { checkTemplate } from './template-text.ts';

export type InputFormat = 'xml' | 'json' | 'encoded' | 'args' | 'plain' | 'multipart';

export interface TransformConf {
  readonly input_format?: InputFormat;
  readonly template: string;
  readonly template_is_base64?: boolean;
}

export interface BodyTransformerConf {
  readonly request?: TransformConf;
  readonly response?: TransformConf;
  readonly max_req_body_size: number;
  readonly max_resp_body_size: number;
}

const transform = {
  type: 'object',
  properties: {
    input_format: {
      type: 'string',
      enum: ['xml', 'json', 'encoded', 'args', 'plain', 'multipart'],
    },
    template: { type: 'string' },
    template_is_base64: { type: 'boolean' },
  },
  required: ['template'],
};

/** Source: apisix/plugins/body-transformer.lua. */
export const definition: PluginDefinition<BodyTransformerConf> = {
  name: 'body-transformer',
  version: 0.1,
  priority: 1080,
  schema: {
    type: 'object',
    properties: {
      request: transform,
      response: transform,
      max_req_body_size: MAX_REQ_BODY_SIZE,
      max_resp_body_size: {
        type: 'integer',
        minimum: 1,
        default: 67108864,
        description:
          'maximum response body size in bytes buffered into memory; larger responses are truncated',
      },
    },
    anyOf: [
      { required: ['request'] },
      { required: ['response'] },
      { required: ['request', 'response'] },
    ],
  },
  check({ request, response }) {
    for (const [name, conf] of Object.entries({ request, response })) {
      const problem = conf === undefined ? undefined : checkTemplate(conf);
      if (problem !== undefined) throw new ConfigError(`${name} template: ${problem}`);
    }
  },
};
