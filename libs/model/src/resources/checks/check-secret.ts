import { ConfigError } from '../../errors.ts';
import { isJsonObject } from '../../json-value.ts';
import { schemaValidator } from '../../schema/compile-schema.ts';
import { SECRET_MANAGER_SCHEMAS } from '../secrets.schema.ts';

/**
 * Checks a secret by the schema of its manager, which stands in front of the slash in its id:
 * `vault/1`. Sources: apisix/admin/secrets.lua. Throws ConfigError.
 *
 * @param id default: the value's own
 */
export function checkSecret(value: unknown, id: string | undefined): void {
  const own = isJsonObject(value) ? value['id'] : undefined;
  const [manager] = (id ?? (typeof own === 'string' ? own : '')).split('/', 1);
  if (!manager) throw new ConfigError('missing secret type');
  const schema = SECRET_MANAGER_SCHEMAS.get(manager);
  if (schema === undefined) throw new ConfigError(`invalid secret manager: ${manager}`);
  const error = schemaValidator(schema)(value);
  if (error !== undefined) throw new ConfigError(`invalid configuration: ${error}`);
}
