import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface MaskItem {
  readonly type: 'query' | 'header' | 'body';
  readonly body_format?: 'json' | 'urlencoded';
  /** Of an argument, a header or a form's field; a JSON path for a body in JSON. */
  readonly name: string;
  readonly action: 'regex' | 'replace' | 'remove';
  readonly regex?: string;
  readonly value?: string;
}

export interface DataMaskConf {
  readonly request?: readonly MaskItem[];
  /** Bytes, of a body in JSON. */
  readonly max_body_size: number;
  /** Fields of a form; 0: all. */
  readonly max_req_post_args: number;
}

/** `if` one property has a value `then` others are required. */
function requiredWhere(property: string, value: string, required: readonly string[]): object {
  return { if: { properties: { [property]: { const: value } } }, then: { required } };
}

/** Source: apisix/plugins/data-mask.lua. */
export const definition: PluginDefinition<DataMaskConf> = {
  name: 'data-mask',
  version: 0.1,
  priority: 1500,
  schema: {
    type: 'object',
    properties: {
      request: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            type: { type: 'string', enum: ['query', 'header', 'body'] },
            body_format: { type: 'string', enum: ['json', 'urlencoded'] },
            name: { type: 'string' },
            action: { type: 'string', enum: ['regex', 'replace', 'remove'] },
            regex: { type: 'string' },
            value: { type: 'string' },
          },
          required: ['type', 'name', 'action'],
          allOf: [
            requiredWhere('type', 'body', ['body_format']),
            requiredWhere('action', 'regex', ['regex', 'value']),
            requiredWhere('action', 'replace', ['value']),
          ],
        },
      },
      max_body_size: { type: 'integer', exclusiveMinimum: 0, default: 1_048_576 },
      max_req_post_args: { type: 'integer', default: 100, minimum: 0 },
    },
  },
};
