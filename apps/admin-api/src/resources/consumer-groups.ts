import { findUser, usesByField } from '../references.ts';
import type { Resource } from './resource.ts';

export const consumerGroups: Resource = {
  kind: 'consumer_groups',
  idSource: 'id',
  unsupported: ['POST'],
  filterFields: [],
  refuseDelete: (store, id) =>
    findUser(store, id, 'this consumer group', [
      { kind: 'consumers', label: 'consumer', uses: usesByField('group_id') },
    ]),
};
