import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { ServerInfoReport, type ServerInfoOptions } from './server-info.ts';

let report: ServerInfoReport | undefined;
afterEach(() => report?.stop());

function start(parts: Partial<ServerInfoOptions> = {}, attr: object = {}) {
  const put = vi.fn<ServerInfoOptions['store']['put']>();
  const log = memoryLog();
  report = new ServerInfoReport({
    config: { configProvider: 'etcd', role: 'traditional' },
    store: { put, serverVersion: () => Promise.resolve('3.5.9') },
    id: '123456',
    version: '1.0.0',
    selection: () => ({
      generation: 1,
      names: ['server-info'],
      attr: { 'server-info': { ...attr } },
    }),
    log,
    ...parts,
  });
  report.start();
  return { put, log, report };
}

test('writes what it is to the store, to vanish with it', async () => {
  const { put, report } = start({}, { report_ttl: 30 });
  await vi.waitFor(() => expect(put).toHaveBeenCalledOnce());
  expect(put).toHaveBeenCalledWith('/data_plane/server_info/123456', report.current, {
    ttlSeconds: 30,
  });
  expect(report.current).toMatchObject({ id: 123456, etcd_version: '3.5.9', version: '1.0.0' });
});

test('writes nothing where it only reads, is no user of etcd, or has the plugin off', async () => {
  const off = { generation: 1, names: [], attr: {} };
  const puts = [
    start({ config: { configProvider: 'etcd', role: 'data_plane' } }).put,
    start({ config: { configProvider: 'yaml', role: 'traditional' } }).put,
    start({ selection: () => off }).put,
  ];
  await new Promise(setImmediate);
  for (const put of puts) expect(put).not.toHaveBeenCalled();
});

test('a time that is none is said once, and nothing is written', async () => {
  const { put, log } = start({}, { report_ttl: 2 });
  await new Promise(setImmediate);
  expect(put).not.toHaveBeenCalled();
  expect(log.lines).toEqual([
    'error: failed to check plugin_attr: report_ttl is no integer from 3 to 86400',
  ]);
});

test('a store that cannot be written to is said in the log', async () => {
  const { log } = start({
    store: {
      put: () => Promise.reject(new Error('away')),
      serverVersion: () => Promise.resolve('3.5.9'),
    },
  });
  await vi.waitFor(() =>
    expect(log.lines).toEqual(['error: failed to report server_info to etcd: Error: away']),
  );
});
