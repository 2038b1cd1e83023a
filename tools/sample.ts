import type { ConfigStore } from '@polygate/config-store';

/**
 * Writes the sample route `/hello` into a store that has no route yet: an external plugin adds a
 * header on the way to `upstream`. Leaves any other store alone.
 */
export async function writeSample(store: ConfigStore, upstream: string): Promise<void> {
  if (!store.writable) return;
  const { items } = await store.list('/routes/');
  if (items.length > 0) return;
  const now = Math.floor(Date.now() / 1000);
  await store.put('/routes/hello', {
    id: 'hello',
    name: 'sample',
    desc: 'Written at the first start. Delete it as you like.',
    uri: '/hello',
    plugins: {
      'ext-plugin-pre-req': {
        conf: [{ name: 'add-header', value: '{"X-Runner":"typescript"}' }],
      },
    },
    upstream: { type: 'roundrobin', nodes: { [upstream]: 1 } },
    create_time: now,
    update_time: now,
  });
}
