import { expect, test } from 'vitest';
import { parseStandalone } from './standalone-document.ts';

const yaml = (text: string, env = {}) => parseStandalone(`${text}\n#END\n`, 'yaml', env);
const json = (document: object, env = {}) => parseStandalone(JSON.stringify(document), 'json', env);
const keys = (document: object) => json(document).items.map(({ key }) => key);

test.each([
  'routes: []\n',
  'routes: []\n#END of file\n',
  '#END\nroutes: []\n',
  `routes: []\n#END${' '.repeat(10)}`,
  '',
])('parseStandalone refuses YAML without #END at its very end: %j', (text) => {
  expect(() => parseStandalone(text, 'yaml', {})).toThrow('missing valid end flag');
});

test.each(['routes: []\n#END', 'routes: []\n#END\n', 'routes: []\n  #END \r\n\n', '{} #END'])(
  'parseStandalone takes YAML with #END in its last ten bytes: %j',
  (text) => {
    expect(parseStandalone(text, 'yaml', {}).items).toEqual([]);
  },
);

test('parseStandalone puts each kind below its key', () => {
  const kinds = [
    ...['routes', 'services', 'upstreams', 'consumer_groups', 'plugin_configs', 'global_rules'],
    ...['plugin_metadata', 'ssls', 'protos', 'secrets', 'stream_routes'],
  ];
  const document = Object.fromEntries(kinds.map((kind) => [kind, [{ id: 'x' }]]));
  expect(keys(document).toSorted()).toEqual(kinds.map((kind) => `/${kind}/x`).toSorted());
});

test('parseStandalone names consumers by username and a plugin list by its kind alone', () => {
  const plugins = [{ name: 'key-auth' }, { name: 'mqtt-proxy', stream: true }];
  const { items } = json({ consumers: [{ username: 'jack', plugins: {} }], plugins });
  expect(items).toEqual([
    { key: '/consumers/jack', value: { username: 'jack', plugins: {}, id: 'jack' } },
    { key: '/plugins', value: plugins },
  ]);
});

test('parseStandalone gives items without id their place, counted from 1', () => {
  const { items } = json({ routes: [{ uri: '/a' }, { id: 7 }, { uri: '/c' }] });
  expect(items.map(({ value }) => value)).toEqual([
    { uri: '/a', id: 'arr_1' },
    { id: '7' },
    { uri: '/c', id: 'arr_3' },
  ]);
});

test('parseStandalone takes the later of two items with one id', () => {
  const { items } = json({ routes: [{ id: 1, v: 1 }, { id: 2 }, { id: '1', v: 2 }] });
  expect(items.map(({ value }) => value)).toEqual([{ id: '1', v: 2 }, { id: '2' }]);
});

test('parseStandalone leaves out an item that is no object and says so', () => {
  const { items, problems } = json({ routes: ['x', { id: 1 }, null, { id: {} }, { id: 'a/' }] });
  expect(items.map(({ key }) => key)).toEqual(['/routes/1']);
  expect(problems).toHaveLength(4);
  expect(problems[0]).toBe('invalid item data of [routes/1], it should be an object');
});

test.each([
  ['a list', '[]'],
  ['nothing', 'null'],
  ['a kind that is no list', '{"routes":{"id":1}}'],
  ['broken JSON', '{"routes":['],
])('parseStandalone refuses a file that holds %s', (_what, text) => {
  expect(() => parseStandalone(text, 'json', {})).toThrow();
});

test('parseStandalone takes a kind without items for empty', () => {
  expect(yaml('routes:\nservices: []\nunknown: 1').items).toEqual([]);
});

test('parseStandalone takes a plugin that nothing is said of in YAML for an empty conf', () => {
  const { items } = yaml('routes:\n  - id: 1\n    plugins:\n      key-auth:\n');
  expect(items[0]?.value).toEqual({ id: '1', plugins: { 'key-auth': {} } });
});

test('parseStandalone takes an empty list of plugins for one without plugins', () => {
  expect(yaml('plugins:').items).toMatchObject([{ key: '/plugins', value: [] }]);
  expect(json({ plugins: null }).items).toEqual([]);
});

test('parseStandalone reads YAML as libyaml does', () => {
  const text = `
routes:
  - id: 1
    enabled: yes
    date: 2026-01-02
    base: &base { retries: 1, id: base }
    merged: { <<: *base, retries: 2 }
    uri: /first
    uri: /last`;
  expect(yaml(text).items[0]?.value).toEqual({
    id: '1',
    enabled: true,
    date: '2026-01-02',
    base: { retries: 1, id: 'base' },
    merged: { retries: 2, id: 'base' },
    uri: '/last',
  });
});

test('parseStandalone refuses YAML whose aliases multiply', () => {
  let text = 'a0: &a0 [x]';
  for (let n = 1; n < 20; n += 1) text += `\na${n}: &a${n} [*a${n - 1}, *a${n - 1}, *a${n - 1}]`;
  expect(() => yaml(text)).toThrow(/alias/i);
});

test('parseStandalone lets YAML quoting decide the type of a variable', () => {
  const text = 'routes: [{ id: a, text: "${{PORT}}", number: ${{PORT}}, enabled: ${{ON:=true}} }]';
  expect(yaml(text, { PORT: '9080' }).items[0]?.value).toEqual({
    id: 'a',
    text: '9080',
    number: 9080,
    enabled: true,
  });
});

test('parseStandalone puts variables into JSON after parsing', () => {
  const document = { routes: [{ id: '${{ID}}', port: '${{PORT}}' }] };
  const { items } = json(document, { ID: '"quoted"', PORT: '9080' });
  expect(items[0]?.value).toEqual({ id: '"quoted"', port: 9080 });
});
