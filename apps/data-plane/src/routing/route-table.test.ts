import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareCandidates,
  candidatePasses,
  failedConditions,
  hostMatches,
} from './route-request.ts';
import type { RareConditions, RouteCandidate, RouteRequest } from './route-request.ts';
import { compileParameters } from './path-parameters.ts';
import { RouteTable } from './route-table.ts';

const noVars = { get: () => undefined };

function request(path: string, more: Partial<RouteRequest> = {}): RouteRequest {
  return { method: 'GET', host: 'a.test', path, clientAddress: '127.0.0.1', vars: noVars, ...more };
}

function entry(
  id: string,
  pattern: string,
  more: Partial<RouteCandidate<string> & RareConditions> = {},
): RouteCandidate<string> {
  const { parameters, clients, hosts, condition, ...rest } = more;
  return {
    target: id,
    id,
    pattern,
    host: undefined,
    priority: 0,
    createdIndex: 1,
    methods: undefined,
    conditions: { parameters, clients, hosts, condition },
    ...rest,
  };
}

function tableOf(...entries: RouteCandidate<string>[]): RouteTable<string> {
  return RouteTable.empty<string>().with([{ before: [], after: entries }]);
}

describe('RouteTable', () => {
  test('prefers an exact path to a prefix of higher priority', () => {
    const table = tableOf(entry('prefix', '/a/*', { priority: 9 }), entry('exact', '/a/b'));
    expect(table.match(request('/a/b'))?.target).toBe('exact');
  });

  test('prefers the longer prefix and falls back to the shorter when conditions fail', () => {
    const post = { methods: new Set(['POST']) };
    const table = tableOf(entry('long', '/a/b/*', post), entry('short', '/a/*'));
    expect(table.match(request('/a/b/c', { method: 'POST' }))?.target).toBe('long');
    expect(table.match(request('/a/b/c'))?.target).toBe('short');
  });

  test('orders candidates of one path by priority, then by age', () => {
    const table = tableOf(
      entry('young', '/a', { createdIndex: 3 }),
      entry('old', '/a', { createdIndex: 2 }),
      entry('first', '/a', { priority: 1, methods: new Set(['PUT']) }),
    );
    expect(table.match(request('/a'))?.target).toBe('old');
    expect(table.match(request('/a', { method: 'PUT' }))?.target).toBe('first');
  });

  test('never lets priority cross host groups: exact, then wildcards, then any host', () => {
    const table = tableOf(
      entry('any', '/*', { priority: 99 }),
      entry('wild', '/*', { host: '*.b.test', priority: 50 }),
      entry('wilder', '/*', { host: '*.test', priority: 60 }),
      entry('exact', '/only', { host: 'x.b.test' }),
    );
    expect(table.match(request('/only', { host: 'x.b.test' }))?.target).toBe('exact');
    expect(table.match(request('/other', { host: 'x.b.test' }))?.target).toBe('wild');
    expect(table.match(request('/other', { host: 'y.test' }))?.target).toBe('wilder');
    expect(table.match(request('/other', { host: 'z.org' }))?.target).toBe('any');
  });

  test('takes the longest text before a parameter first, and priority among those of one text', () => {
    const withParameters = (id: string, pattern: string, priority = 0): RouteCandidate<string> =>
      entry(id, pattern, { priority, parameters: compileParameters(pattern, true) });
    const few = [
      withParameters('id', '/u/:id'),
      withParameters('rest', '/u/*rest', 9),
      withParameters('orders', '/u/me/:x'),
      entry('me', '/u/me'),
    ];
    const many = Array.from({ length: 20 }, (_, i) => entry(`m${i}`, `/m/${i}`));
    for (const table of [tableOf(...few), tableOf(...few, ...many)]) {
      expect(table.match(request('/u/me'))?.target).toBe('me');
      expect(table.match(request('/u/me/1'))?.target).toBe('orders');
      expect(table.match(request('/u/7'))?.target).toBe('rest');
      expect(table.match(request('/u/me/1/2'))?.target).toBe('rest');
      expect(table.match(request('/u/'))?.target).toBe('rest');
    }
  });

  test('a host condition with a port asks for the whole Host header', () => {
    const table = tableOf(
      entry('port', '/a', { hosts: ['a.test:81'], priority: 1 }),
      entry('any', '/a', { hosts: ['*.test'] }),
    );
    const found = (header: string): string | undefined => {
      const vars = { get: (name: string) => (name === 'http_host' ? header : undefined) };
      const match = table.match(request('/a', { vars }));
      return match && `${match.target} ${match.host}`;
    };
    expect(found('A.test:81')).toBe('port a.test:81');
    expect(found('a.test:82')).toBe('any *.test');
    expect(found('a.test')).toBe('any *.test');
  });

  test('forgets what is removed and leaves the older table as it was', () => {
    const route = entry('1', '/a/*', { host: 'a.test' });
    const before = tableOf(route);
    const after = before.with([{ before: [route], after: [] }]);
    expect(before.match(request('/a/b'))?.target).toBe('1');
    expect(after.match(request('/a/b'))).toBeUndefined();
  });

  test('with hosts as conditions, vars and clients it matches as a scan does, too', () => {
    const path = fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/b/c', '/b');
    const arbitrary = fc.record({
      path,
      star: fc.boolean(),
      hosts: fc.option(fc.subarray(['a.test', '*.test', '*.b.test', 'x.b.test'], { minLength: 1 })),
      grouped: fc.boolean(),
      priority: fc.integer({ min: -1, max: 1 }),
      color: fc.constantFrom(undefined, 'red', 'blue'),
      client: fc.constantFrom(undefined, '127.0.0.1', '10.0.0.1'),
    });
    const asked = fc.record({
      path,
      host: fc.constantFrom('a.test', 'b.test', 'x.b.test', 'y.b.test', ''),
      color: fc.constantFrom('red', 'blue', 'green'),
    });
    fc.assert(
      fc.property(fc.array(arbitrary, { maxLength: 10 }), asked, (specs, { color, ...wanted }) => {
        const all = specs.flatMap((spec, i) => {
          const conditions = {
            priority: spec.priority,
            createdIndex: i,
            clients: spec.client === undefined ? undefined : new Set([spec.client]),
            condition: spec.color && ((vars: RouteRequest['vars']) => vars.get('c') === spec.color),
          };
          const pattern = spec.star ? `${spec.path}*` : spec.path;
          const hosts = spec.hosts ?? undefined;
          // `radixtree_host_uri` has an entry for each host, the other modes have one with all
          return spec.grouped && hosts !== undefined
            ? hosts.map((host) => entry(`${i}`, pattern, { ...conditions, host }))
            : [entry(`${i}`, pattern, { ...conditions, hosts })];
        });
        const vars = { get: (name: string) => (name === 'c' ? color : undefined) };
        const question = request(wanted.path, { host: wanted.host, vars });
        expect(tableOf(...all).match(question)?.target).toBe(naiveMatch(all, question));
      }),
      { numRuns: 500 },
    );
  });

  test('matches the same as a scan over all candidates, also after changes', () => {
    const segment = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(segment, { maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
    const arbitrary = fc.record({
      path,
      star: fc.boolean(),
      host: fc.constantFrom(undefined, 'a.test', '*.test', '*'),
      priority: fc.integer({ min: 0, max: 2 }),
      method: fc.constantFrom(undefined, 'GET', 'POST'),
    });
    fc.assert(
      fc.property(
        fc.array(arbitrary, { maxLength: 12 }),
        path,
        fc.nat(11),
        (specs, target, gone) => {
          const all = specs.map((spec, i) =>
            entry(String(i), spec.star ? `${spec.path}*` : spec.path, {
              ...(spec.host === undefined ? {} : { host: spec.host }),
              priority: spec.priority,
              createdIndex: i,
              methods: spec.method === undefined ? undefined : new Set([spec.method]),
            }),
          );
          const removed = all.slice(gone, gone + 1);
          const kept = all.filter((one) => !removed.includes(one));
          const table = tableOf(...all).with([{ before: removed, after: [] }]);
          const wanted = request(target);
          const found = table.match(wanted)?.target;
          expect(found).toBe(naiveMatch(kept, wanted));
          const tried = table.tries(wanted);
          expect(tried.find((one) => candidatePasses(one, wanted))?.target).toBe(found);
          for (const one of tried) {
            expect(failedConditions(one, wanted).length === 0).toBe(candidatePasses(one, wanted));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

/** The rules as a sort over everything: host group, exactness, path length, then the rest. */
function naiveMatch(all: readonly RouteCandidate<string>[], wanted: RouteRequest): unknown {
  const hostRank = (host: string | undefined): number =>
    host === undefined ? -1 : host.startsWith('*') ? host.length : 1000;
  const isPrefix = (pattern: string): boolean => pattern.endsWith('*');
  return all
    .filter(({ host }) => host === undefined || hostMatches(host, wanted.host))
    .filter(({ pattern }) =>
      isPrefix(pattern) ? wanted.path.startsWith(pattern.slice(0, -1)) : wanted.path === pattern,
    )
    .filter((candidate) => candidatePasses(candidate, wanted))
    .sort(
      (a, b) =>
        hostRank(b.host) - hostRank(a.host) ||
        Number(isPrefix(a.pattern)) - Number(isPrefix(b.pattern)) ||
        b.pattern.length - a.pattern.length ||
        compareCandidates(a, b),
    )[0]?.target;
}
