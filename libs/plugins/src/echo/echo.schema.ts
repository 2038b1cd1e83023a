import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface EchoConf {
  readonly before_body?: string;
  readonly body?: string;
  readonly after_body?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
}

/** Source: apisix/plugins/echo.lua. */
export const definition: PluginDefinition<EchoConf> = {
  name: 'echo',
  version: 0.1,
  priority: 412,
  schema: {
    type: 'object',
    properties: {
      before_body: { description: 'body before the filter phase.', type: 'string' },
      body: { description: 'body to replace upstream response.', type: 'string' },
      after_body: {
        description: 'body after the modification of filter phase.',
        type: 'string',
      },
      headers: { description: 'new headers for response', type: 'object', minProperties: 1 },
    },
    anyOf: [{ required: ['before_body'] }, { required: ['body'] }, { required: ['after_body'] }],
    minProperties: 1,
  },
};
