import { compileSchema, ConfigError, type JsonSchemaObject } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { MAX_REQ_BODY_SIZE } from '../bounded-body.schema.ts';

export interface RequestValidationConf {
  readonly header_schema?: JsonSchemaObject;
  readonly body_schema?: JsonSchemaObject;
  /** Bytes. */
  readonly max_req_body_size: number;
  readonly rejected_code: number;
  readonly rejected_msg?: string;
}

/** Source: apisix/plugins/request-validation.lua. */
export const definition: PluginDefinition<RequestValidationConf> = {
  name: 'request-validation',
  version: 0.1,
  priority: 2800,
  schema: {
    type: 'object',
    properties: {
      header_schema: { type: 'object' },
      body_schema: { type: 'object' },
      max_req_body_size: MAX_REQ_BODY_SIZE,
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 400 },
      rejected_msg: { type: 'string', minLength: 1, maxLength: 256 },
    },
    anyOf: [{ required: ['header_schema'] }, { required: ['body_schema'] }],
  },
  check(conf) {
    if (conf.body_schema !== undefined) checkSchema(conf.body_schema);
    if (conf.header_schema !== undefined) checkSchema(conf.header_schema);
  },
};

/** A schema out of the configuration: what is wrong with it is the fault of whoever wrote that. */
function checkSchema(schema: JsonSchemaObject): void {
  try {
    compileSchema(schema);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new ConfigError(inLuasWords(cause.message), { cause });
  }
}

/** The words of api7/jsonschema where it has some: for a wrong `type`, and for texts in place of lists. */
function inLuasWords(message: string): string {
  const [, keyword, value = ''] = /^invalid schema: (\w+) is (.*)$/.exec(message) ?? [];
  if (!value.startsWith('"')) return message;
  const problem =
    keyword === 'type' ? `invalid JSON type: ${value.slice(1, -1)}` : 'table expected, got string';
  return `${message} (${problem})`;
}
