import { expect, test } from 'vitest';
import { compileUpstream, standingAlone } from './compiled-upstream.ts';

const hosts = (place: { hostWithoutPort?: boolean }): readonly string[] => {
  const resource = {
    type: 'roundrobin',
    nodes: { 'localhost:1981': 1, 'a.test:80': 1, '[::1]:1982': 1 },
  } as const;
  const { nodes } = compileUpstream(resource, '1', {
    key: 'upstreams/1',
    around: standingAlone(),
    ...place,
  });
  return nodes.map(({ hostHeader }) => hostHeader);
};

test('the Host of a node carries its port, unless that is the one of the scheme', () => {
  expect(hosts({})).toEqual(['localhost:1981', 'a.test', '[::1]:1982']);
});

test('the Host of a node can do without its port', () => {
  expect(hosts({ hostWithoutPort: true })).toEqual(['localhost', 'a.test', '[::1]']);
});
