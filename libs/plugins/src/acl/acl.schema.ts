import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { compileJsonPath } from './json-path.ts';

type WantedLabels = Readonly<Record<string, readonly string[]>>;

export type LabelParser = 'segmented_text' | 'json' | 'table';

export interface AclConf {
  /** A JSON path. */
  readonly external_user_label_field: string;
  readonly external_user_label_field_key?: string;
  readonly external_user_label_field_parser?: LabelParser;
  /** A regular expression. */
  readonly external_user_label_field_separator?: string;
  readonly allow_labels?: WantedLabels;
  readonly deny_labels?: WantedLabels;
  readonly rejected_code: number;
  readonly rejected_msg?: string;
}

const LABELS = {
  type: 'object',
  minProperties: 1,
  patternProperties: { '.*': { type: 'array', minItems: 1, items: { type: 'string' } } },
};

/** Source: apisix/plugins/acl.lua. */
export const definition: PluginDefinition<AclConf> = {
  name: 'acl',
  version: 0.1,
  priority: 2410,
  schema: {
    type: 'object',
    properties: {
      external_user_label_field: { type: 'string', default: 'groups', minLength: 1 },
      external_user_label_field_key: { type: 'string', minLength: 1 },
      external_user_label_field_parser: {
        type: 'string',
        enum: ['segmented_text', 'json', 'table'],
      },
      external_user_label_field_separator: {
        type: 'string',
        minLength: 1,
        description: 'The separator(regex) of the segmented_text parser',
      },
      allow_labels: LABELS,
      deny_labels: LABELS,
      rejected_code: { type: 'integer', minimum: 200, default: 403 },
      rejected_msg: { type: 'string' },
    },
    allOf: [
      {
        if: {
          required: ['external_user_label_field_parser'],
          properties: { external_user_label_field_parser: { const: 'segmented_text' } },
        },
        then: { required: ['external_user_label_field_separator'] },
      },
    ],
    anyOf: [{ required: ['allow_labels'] }, { required: ['deny_labels'] }],
  },
  check({ external_user_label_field: path }) {
    if (compileJsonPath(path) !== undefined) return;
    throw new ConfigError(
      `invalid external_user_label_field: ${JSON.stringify(path)} is no JSON path`,
    );
  },
};
