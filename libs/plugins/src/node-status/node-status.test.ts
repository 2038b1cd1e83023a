import { MemoryContext, memoryLog, memoryNode, memorySettings } from '@polygate/testing';
import { expect, test } from 'vitest';
import plugin from './node-status.ts';

const connections = () => ({
  active: 3,
  accepted: 10,
  handled: 10,
  total: 25,
  reading: 0,
  writing: 1,
  waiting: 2,
});

test('tells the id of the process and counts of its connections, as texts', async () => {
  const sources = {
    metadata: () => ({}),
    settings: memorySettings(),
    node: { ...memoryNode('gateway-a'), connections },
  };
  const [api] = plugin.publicApis!({}, sources);
  expect(api).toMatchObject({ methods: ['GET'], path: '/apisix/status' });
  const reply = await api!.handle(new MemoryContext({}, memoryLog()));
  expect(reply.status).toBe(200);
  expect(JSON.parse(reply.body as string)).toEqual({
    id: 'gateway-a',
    status: {
      active: '3',
      accepted: '10',
      handled: '10',
      total: '25',
      reading: '0',
      writing: '1',
      waiting: '2',
    },
  });
});
