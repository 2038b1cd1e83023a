import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { listenOn } from './listen-on.ts';

test('listenOn() tells the port it got, and rejects where the address is taken', async () => {
  const first = createServer();
  const second = createServer();
  const port = await listenOn(first, { host: '127.0.0.1', port: 0 });
  expect(port).toBeGreaterThan(0);
  await expect(listenOn(second, { host: '127.0.0.1', port })).rejects.toThrow('EADDRINUSE');
  first.close();
});
