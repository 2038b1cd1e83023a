import type { StoredItem } from '@polygate/config-store';
import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';
import {
  memoryExternalPlugins,
  memoryLog,
  memoryMetrics,
  memoryNode,
  memorySettings,
  memorySharedState,
} from '@polygate/testing';
import { encryptResource } from '@polygate/model';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CertificateWorkshop, hasOpenssl } from '../tls/certificates.fixture.ts';
import type { IssuedPair } from '../tls/certificates.fixture.ts';
import { ConfigState } from './config-state.ts';
import { SnapshotBuilder } from './snapshot-builder.ts';
import type { BuiltSnapshot } from './snapshot-builder.ts';

const encryption = { enabled: true, keyring: ['qeddd145sfvddff3'] };
const nodes = { '127.0.0.1:443': 1 };

describe.skipIf(!hasOpenssl())('ssls', () => {
  const workshop = new CertificateWorkshop();
  let a: IssuedPair;
  let b: IssuedPair;
  let state: ConfigState;
  let builder: SnapshotBuilder;
  let revision: number;
  let secrets: Record<string, string>;

  beforeAll(() => {
    const authority = workshop.authority('/CN=authority');
    a = authority.issue('/CN=a');
    b = authority.issue('/CN=b');
  });
  afterAll(() => workshop.dispose());

  beforeEach(() => {
    const log = memoryLog();
    revision = 0;
    secrets = {};
    const resolve = (reference: string) =>
      Object.hasOwn(secrets, reference) ? { value: secrets[reference] } : { reason: 'not there' };
    state = new ConfigState(PLUGIN_DEFINITIONS, log, { encryption, resolve });
    builder = new SnapshotBuilder({
      routerMode: 'radixtree_host_uri',
      log,
      environment: {
        sharedCache: () => undefined,
        settings: memorySettings(),
        shared: memorySharedState(() => 0),
        metrics: memoryMetrics(),
        external: memoryExternalPlugins(),
        httpsPorts: [],
        node: memoryNode(),
        logFor: () => log,
      },
    });
  });

  const item = (key: string, value: unknown): StoredItem => ({
    key,
    value: encryptResource(key.split('/')[1] as string, value, {
      plugins: PLUGIN_DEFINITIONS,
      encryption,
    }),
    createdIndex: 1,
    modifiedIndex: revision,
  });

  /** By key as `/ssls/1`; undefined deletes. */
  function apply(changes: Readonly<Record<string, unknown>>): BuiltSnapshot {
    revision += 1;
    const update = state.apply({
      kind: 'changes',
      revision,
      changes: Object.entries(changes).map(([key, value]) =>
        value === undefined
          ? ({ kind: 'delete', key, revision } as const)
          : ({ kind: 'put', item: item(key, value) } as const),
      ),
    });
    return builder.build(update);
  }

  test('are served with keys that were stored encrypted', () => {
    const { snapshot, failures } = apply({ '/ssls/1': { sni: 'a.test', ...a } });
    expect(failures).toEqual([]);
    expect(snapshot.certificates.find('a.test')?.id).toBe('1');
  });

  test('are compiled anew only when they change', () => {
    const find = ({ snapshot }: BuiltSnapshot, name: string) => snapshot.certificates.find(name);
    const first = apply({
      '/ssls/1': { sni: 'a.test', ...a },
      '/ssls/2': { sni: 'b.test', ...b },
    });
    const second = apply({ '/ssls/1': { sni: 'a.test', ...b } });
    expect(find(second, 'b.test')).toBe(find(first, 'b.test'));
    expect(find(second, 'a.test')).not.toBe(find(first, 'a.test'));
    const third = apply({ '/routes/1': { uri: '/', upstream: { nodes } } });
    expect(third.snapshot.certificates).toBe(second.snapshot.certificates);
    const fourth = apply({ '/ssls/1': undefined });
    expect(find(fourth, 'a.test')).toBeUndefined();
  });

  test('keep their last good version when a key does not belong to its certificate', () => {
    apply({ '/ssls/1': { sni: 'a.test', ...a } });
    const { snapshot } = apply({ '/ssls/1': { sni: 'new.test', cert: a.cert, key: b.key } });
    expect(snapshot.certificates.find('a.test')?.id).toBe('1');
    expect(snapshot.certificates.find('new.test')).toBeUndefined();
    expect(state.rejected).toMatchObject([{ key: '/ssls/1', keepsOlderVersion: true }]);
  });

  test('that show only in the gateway that they are bad keep it too, and say so', () => {
    apply({ '/ssls/1': { sni: 'a.test', ...a } });
    const bad = { sni: 'new.test', cert: '$secret://vault/1/a/cert', key: '$env://KEY' };
    const { snapshot, failures } = apply({ '/ssls/1': bad });
    expect(snapshot.certificates.find('a.test')?.id).toBe('1');
    expect(failures).toMatchObject([{ kind: 'ssls', id: '1', keepsOlderVersion: true }]);
    expect(failures[0]?.reason).toMatch(/^failed to parse cert/);

    secrets = { '$secret://vault/1/a/cert': b.cert, '$env://KEY': b.key };
    const resolved = builder.build(state.revalidate());
    expect(resolved.failures).toEqual([]);
    expect(resolved.snapshot.certificates.find('new.test')?.id).toBe('1');
  });

  test('a pair in the upstream of a route that cannot be read leaves it without nodes', () => {
    const text = 'x'.repeat(200);
    for (const tls of [
      { client_cert: text, client_key: a.key },
      { client_cert: a.cert, client_key: text },
      { client_cert: a.cert, client_key: b.key },
    ]) {
      const upstream = { scheme: 'https', nodes, tls };
      const { snapshot, failures } = apply({ '/routes/1': { uri: '/', upstream } });
      const { target } = snapshot.match({
        ...{ method: 'GET', host: 'h', path: '/', clientAddress: '127.0.0.1' },
        vars: { get: () => undefined },
      }) as NonNullable<ReturnType<typeof snapshot.match>>;
      expect(target.upstream).toMatchObject({
        nodes: [],
        whyNoNode: expect.stringMatching(/^tls\.client_cert cannot be used: /),
      });
      expect([failures, state.rejected]).toEqual([[], []]);
    }
  });

  describe('of type client', () => {
    const tls = { client_cert_id: '7' };
    const client = (pair: IssuedPair) => ({ type: 'client', ...pair });
    const request = (path: string) => ({
      ...{ method: 'GET', host: 'h', path, clientAddress: '127.0.0.1' },
      vars: { get: () => undefined },
    });

    const upstreams = ({ snapshot }: BuiltSnapshot) => [
      snapshot.upstreams.get('1'),
      snapshot.match(request('/own'))?.target.upstream,
      snapshot.match(request('/service'))?.target.upstream,
    ];
    const everywhere = {
      '/upstreams/1': { scheme: 'https', nodes, tls },
      '/routes/1': { uri: '/own', upstream: { scheme: 'https', nodes, tls } },
      '/services/1': { upstream: { scheme: 'grpcs', nodes, tls } },
      '/routes/2': { uri: '/service', service_id: '1' },
      '/routes/3': { uri: '/plain', upstream: { nodes } },
    };

    test('are shown by every upstream that refers to them, and followed when they change', () => {
      const before = upstreams(apply({ '/ssls/7': client(a), ...everywhere }));
      const after = upstreams(apply({ '/ssls/7': client(b) }));
      const identities = [...before, ...after].map((upstream) => upstream?.tls?.identity);
      expect(identities.slice(0, 3)).toEqual(Array(3).fill(identities[0]));
      expect(identities.slice(3)).toEqual(Array(3).fill(identities[3]));
      expect(identities[0]).not.toBe(identities[3]);
    });

    test('that are missing leave the upstream without nodes until they come', () => {
      const missing = upstreams(apply(everywhere));
      for (const upstream of missing) {
        expect(upstream).toMatchObject({
          problem: 'failed to get ssl cert: ssl id [7] not exits',
          nodes: [],
        });
      }
      for (const upstream of upstreams(apply({ '/ssls/7': client(a) }))) {
        expect(upstream?.problem).toBeUndefined();
        expect(upstream?.nodes).toHaveLength(1);
      }
      for (const upstream of upstreams(apply({ '/ssls/7': undefined }))) {
        expect(upstream?.nodes).toEqual([]);
      }
    });
  });
});
