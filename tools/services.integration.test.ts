import {
  buildGoRunner,
  hasEtcd,
  hasGo,
  hasPythonRunner,
  preparePythonRunner,
} from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stack, until } from './three-services.fixture.ts';

// The whole: three services as processes of their own over a real etcd, and real plugin runners.

const RUNNERS = [
  { name: 'Go', isHere: hasGo, prepare: buildGoRunner },
  { name: 'Python', isHere: hasPythonRunner, prepare: preparePythonRunner },
] as const;

const withEtcd = hasEtcd();

for (const { name, isHere, prepare } of RUNNERS) {
  describe.skipIf(!withEtcd || !isHere())(`three services over etcd, with a ${name} runner`, () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await Stack.start(await prepare());
    }, 600_000);
    afterAll(() => stack.stop());

    test('rewrite one request end to end', async () => {
      await stack.put(
        '/routes/1',
        stack.route({ set_headers: { 'X-Runner': name }, path: '/new' }),
      );
      const { status, seen } = await stack.get('/old?a=1');
      expect(status).toBe(200);
      expect(seen).toMatchObject({ method: 'GET', uri: '/new?a=1' });
      expect(seen.headers['x-runner']).toBe(name);
    });

    test('let the runner read variables and the body', async () => {
      await stack.put('/routes/1', stack.route({ vars: ['remote_addr'], digest_body: true }));
      const { seen } = await stack.get('/old', { method: 'POST', body: 'x'.repeat(50_000) });
      expect(seen.headers).toMatchObject({
        'x-var-remote_addr': '127.0.0.1',
        'x-body-bytes': '50000',
      });
      expect(seen.body).toHaveLength(50_000);
    });

    test('let the runner answer itself', async () => {
      const stop = { stop_status: 418, stop_headers: { 'X-Why': 'tea' }, stop_body: 'no coffee' };
      await stack.put('/routes/1', stack.route(stop));
      const response = await fetch(`${stack.gateway}/old`);
      expect([response.status, response.headers.get('x-why')]).toEqual([418, 'tea']);
      expect(await response.text()).toBe('no coffee');
    });

    test('tell by the Admin API what the data plane serves', async () => {
      const { header } = await stack.put('/routes/1', stack.route({}));
      const list = await stack.admin('GET', '/polygate/data-planes');
      expect(header).toBe('v3');
      expect(JSON.stringify(await list.json())).toContain('"applied_revision":');
    });
  });
}

describe.skipIf(!withEtcd)('a data plane over etcd', () => {
  test('starts without etcd, says it is not ready, and serves on when etcd is lost', async () => {
    const stack = await Stack.start(undefined);
    try {
      await stack.put('/routes/1', { uri: '/kept', upstream: stack.upstream() });
      expect((await stack.get('/kept')).status).toBe(200);

      await stack.etcd.stop();
      expect((await stack.get('/kept')).status).toBe(200);

      await stack.dataPlane.stop();
      const restarted = stack.startDataPlane();
      const ready = async (): Promise<number> =>
        fetch(`http://127.0.0.1:${stack.statusPort}/status/ready`).then(
          (response) => response.status,
          () => 0,
        );
      await until(async () => (await ready()) === 503);
      await stack.etcd.start();
      await restarted;
      await until(async () => (await ready()) === 200);
      expect((await stack.get('/kept')).status).toBe(200);
    } finally {
      await stack.stop();
    }
  });
});
