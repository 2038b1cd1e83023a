/** `brokers` of a conf. `mechanisms`: of SASL. */
export function brokersSchema(mechanisms: readonly string[]): object {
  return {
    type: 'array',
    minItems: 1,
    items: {
      type: 'object',
      properties: {
        host: { type: 'string', description: 'the host of kafka broker' },
        port: {
          type: 'integer',
          minimum: 1,
          maximum: 65535,
          description: 'the port of kafka broker',
        },
        sasl_config: {
          type: 'object',
          description: 'sasl config',
          properties: {
            mechanism: { type: 'string', default: 'PLAIN', enum: mechanisms },
            user: { type: 'string', description: 'user' },
            password: { type: 'string', description: 'password' },
          },
          required: ['user', 'password'],
        },
      },
      required: ['host', 'port'],
    },
    uniqueItems: true,
  };
}

export const KAFKA_TLS_SCHEMA = {
  type: 'object',
  description: 'tls config for connecting to kafka brokers',
  properties: { verify: { type: 'boolean', default: false } },
};
