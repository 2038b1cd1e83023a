import { refusal } from '../answer.ts';
import { consumerKeysOf, findDuplicateCredential } from '../references.ts';
import type { Refusal, Resource, WriteContext } from './resource.ts';

/** Of a consumer: see readResourcePath for where they are. */
export const credentials: Resource = {
  kind: 'credentials',
  idSource: 'id',
  unsupported: ['POST', 'PATCH'],
  filterFields: [],
  refuseWrite,
};

async function refuseWrite(context: WriteContext): Promise<Refusal | undefined> {
  const { store, plugins, id, value, parent } = context;
  const owner = { username: String(parent), credentialId: id };
  const keys = consumerKeysOf(plugins.enabled);
  const duplicate = await findDuplicateCredential(store, { ...owner, value, keys });
  if (duplicate !== undefined) return duplicate;
  const isThere = (await store.get(`/consumers/${parent}`)) !== undefined;
  return isThere ? undefined : refusal(404, 'consumer not found');
}
