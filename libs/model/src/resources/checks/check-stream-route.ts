import { isCidr, isIpAddress } from '../../address/ip-address.ts';
import { ConfigError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../../json-value.ts';
import { schemaValidator } from '../../schema/compile-schema.ts';

/** What `protocol.conf` may be, by the protocol's name. Sources: apisix/stream/xrpc/protocols. */
const PROTOCOL_CONF_SCHEMAS: ReadonlyMap<string, object> = new Map<string, object>([
  ['dubbo', { type: 'object' }],
  [
    'redis',
    {
      type: 'object',
      properties: {
        faults: {
          type: 'array',
          minItems: 1,
          items: {
            type: 'object',
            properties: {
              commands: { type: 'array', minItems: 1, items: { type: 'string' } },
              key: { type: 'string', minLength: 1 },
              delay: { type: 'number', description: 'additional delay in seconds' },
            },
            required: ['commands', 'delay'],
          },
        },
      },
    },
  ],
]);

/**
 * What the schema of a stream route cannot say, apart from its plugins. `protocols` are the names
 * in `xrpc.protocols` of the configuration file. Sources: stream_route_checker in
 * apisix/stream/router/ip_port.lua. Throws ConfigError.
 */
export function checkStreamRoute(route: JsonObject, protocols: ReadonlySet<string>): void {
  for (const field of ['remote_addr', 'server_addr']) {
    const address = route[field];
    if (typeof address !== 'string' || isIpAddress(address) || isCidr(address)) continue;
    throw new ConfigError(`invalid ${field}: ${address}`);
  }
  const { protocol } = route;
  if (!isJsonObject(protocol)) return;
  const name = String(protocol['name']);
  const schema = protocols.has(name) ? PROTOCOL_CONF_SCHEMAS.get(name) : undefined;
  if (schema === undefined) throw new ConfigError(`unknown protocol [${name}]`);
  if (protocol['conf'] === undefined) return;
  const error = schemaValidator(schema)(protocol['conf']);
  if (error !== undefined) throw new ConfigError(error);
}
