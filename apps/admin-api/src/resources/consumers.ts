import { consumerKeysOf, findDanglingReference, findDuplicateCredential } from '../references.ts';
import type { Resource, WriteContext } from './resource.ts';

export const consumers: Resource = {
  kind: 'consumers',
  idSource: 'username',
  unsupported: ['POST', 'PATCH'],
  filterFields: [],
  refuseWrite,
  ownedPrefix: (username) => `/consumers/${username}/credentials/`,
};

async function refuseWrite({ store, plugins, value }: WriteContext): Promise<string | undefined> {
  const username = String(value['username']);
  const keys = consumerKeysOf(plugins.enabled);
  const group = { field: 'group_id', kind: 'consumer_groups', label: 'consumer group' } as const;
  return (
    (await findDuplicateCredential(store, { username, value, keys })) ??
    (await findDanglingReference(store, value, [group]))
  );
}
