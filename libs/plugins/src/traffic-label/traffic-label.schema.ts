import { compileExpression, compileSchema, ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import type { HeadersToSet } from '../header-changes.ts';
import { definition as proxyRewrite } from '../proxy-rewrite/proxy-rewrite.schema.ts';

export interface LabelAction {
  readonly set_headers?: Readonly<Record<string, unknown>>;
  readonly weight: number;
}

export interface LabelRule {
  /** An expression; without one the rule meets every request. */
  readonly match?: readonly unknown[];
  readonly actions: readonly LabelAction[];
}

export interface TrafficLabelConf {
  readonly rules: readonly LabelRule[];
}

/** Source: apisix/plugins/traffic-label.lua. */
export const definition: PluginDefinition<TrafficLabelConf> = {
  name: 'traffic-label',
  version: 0.1,
  priority: 967,
  schema: {
    type: 'object',
    properties: {
      rules: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            match: {
              type: 'array',
              items: { anyOf: [{ type: 'array' }, { type: 'string' }] },
              minItems: 1,
            },
            actions: {
              type: 'array',
              items: {
                type: 'object',
                properties: {
                  set_headers: {
                    description: 'new headers for request',
                    type: 'object',
                    minProperties: 1,
                  },
                  weight: { type: 'integer', default: 1, minimum: 1 },
                },
              },
              minItems: 1,
            },
          },
          required: ['actions'],
        },
        minItems: 1,
      },
    },
    required: ['rules'],
  },
  check({ rules }, plugins) {
    for (const { match, actions } of rules) {
      if (match !== undefined) {
        const fault = `failed to validate the 'match' expression: ${JSON.stringify(match)} err`;
        inWords(fault, () => compileExpression(match));
      }
      for (const action of actions) checkAction(action, plugins);
    }
  },
};

/** Headers are those of proxy-rewrite. */
function checkAction(
  action: LabelAction,
  plugins: Parameters<NonNullable<typeof definition.check>>[1],
): void {
  for (const [name, headers] of Object.entries(action) as [string, HeadersToSet][]) {
    if (name === 'weight') continue;
    if (name !== 'set_headers') throw new ConfigError(`not supported action: ${name}`);
    inWords(`failed to validate the 'set_headers' action`, () => {
      const conf = { headers, use_real_request_uri_unsafe: false };
      compileSchema(proxyRewrite.schema)(conf);
      proxyRewrite.check?.(conf, plugins);
    });
  }
}

function inWords(fault: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${fault}: ${error.message}`, { cause: error });
  }
}
