import { DESCRIPTION, ID_SCHEMA, NAME_SCHEMA, PLUGINS_SCHEMA, TIMES } from './schema-parts.ts';

export const CONSUMER_GROUP_SCHEMA = {
  type: 'object',
  properties: { name: NAME_SCHEMA, ...DESCRIPTION, plugins: PLUGINS_SCHEMA },
  required: ['id', 'plugins'],
  additionalProperties: false,
} as const;

export const PLUGIN_CONFIG_SCHEMA = {
  type: 'object',
  properties: { name: { type: 'string' }, ...DESCRIPTION, plugins: PLUGINS_SCHEMA },
  required: ['id', 'plugins'],
  additionalProperties: false,
} as const;

export const GLOBAL_RULE_SCHEMA = {
  type: 'object',
  properties: { id: ID_SCHEMA, ...TIMES, plugins: PLUGINS_SCHEMA },
  required: ['id', 'plugins'],
  additionalProperties: false,
} as const;
