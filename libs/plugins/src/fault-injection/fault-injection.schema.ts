import { validateExpression } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface FaultConf {
  /** Of 100 requests so many; all of them without it. */
  readonly percentage?: number;
  /** Expressions of which one has to hold. */
  readonly vars?: readonly (readonly unknown[])[];
}

export interface AbortConf extends FaultConf {
  readonly http_status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string | number>>;
}

export interface DelayConf extends FaultConf {
  /** Seconds. */
  readonly duration: number;
}

export interface FaultInjectionConf {
  readonly abort?: AbortConf;
  readonly delay?: DelayConf;
}

const CONDITION = {
  percentage: { type: 'integer', minimum: 0, maximum: 100 },
  vars: { type: 'array', maxItems: 20, items: { type: 'array' } },
};

/** Source: apisix/plugins/fault-injection.lua. */
export const definition: PluginDefinition<FaultInjectionConf> = {
  name: 'fault-injection',
  version: 0.1,
  priority: 11_000,
  schema: {
    type: 'object',
    properties: {
      abort: {
        type: 'object',
        properties: {
          http_status: { type: 'integer', minimum: 200 },
          body: { type: 'string', minLength: 0 },
          headers: {
            type: 'object',
            minProperties: 1,
            patternProperties: {
              '^[^:]+$': { oneOf: [{ type: 'string' }, { type: 'number' }] },
            },
          },
          ...CONDITION,
        },
        required: ['http_status'],
      },
      delay: {
        type: 'object',
        properties: {
          duration: { type: 'number', minimum: 0 },
          ...CONDITION,
        },
        required: ['duration'],
      },
    },
    minProperties: 1,
  },
  check({ abort, delay }) {
    for (const rules of [...(abort?.vars ?? []), ...(delay?.vars ?? [])]) validateExpression(rules);
  },
};
