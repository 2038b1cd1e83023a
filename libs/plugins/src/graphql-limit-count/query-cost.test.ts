import { describe, expect, test } from 'vitest';
import { executable, parseGraphql } from '../graphql-document.ts';
import { indexDecorations } from './decoration-index.ts';
import { ExpansionError, queryCost, type CostOptions } from './query-cost.ts';
import { queryDepth } from './query-depth.ts';
import { indexSchema } from './schema-index.ts';

const TYPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Query: { allPeople: 'PeopleConnection', node: 'Node' },
  PeopleConnection: { people: 'Person' },
  Node: { name: 'String' },
  Person: { name: 'String', vehicleConnection: 'VehicleConnection' },
  VehicleConnection: { vehicles: 'Vehicle' },
  Vehicle: { id: 'ID', name: 'String', cargoCapacity: 'Float', filmConnection: 'FilmConnection' },
  FilmConnection: { films: 'Film' },
  Film: { title: 'String', characterConnection: 'CharacterConnection' },
  CharacterConnection: { characters: 'Person' },
};

const schema = indexSchema({
  __schema: {
    queryType: { name: 'Query' },
    types: Object.entries(TYPES).map(([name, fields]) => ({
      name,
      fields: Object.entries(fields).map(([field, type]) => ({
        name: field,
        args: [
          { name: 'limit', defaultValue: '7' },
          { name: 'first', defaultValue: null },
        ],
        type: { name: null, ofType: { name: type } },
      })),
    })),
  },
});

interface Decoration {
  readonly path: string;
  readonly add?: number;
  readonly mul?: number;
  readonly args?: readonly string[];
}

function cost(query: string, decorations: readonly Decoration[], more: Partial<CostOptions> = {}) {
  return queryCost(executable(parseGraphql(query)), {
    strategy: 'complexity',
    decorations: indexDecorations(
      decorations.map(({ path, add = 1, mul = 1, args }) => ({
        field_path: path,
        add_value: add,
        mul_value: mul,
        ...(args !== undefined && { mul_arguments: args }),
      })),
    ),
    schema,
    variables: {},
    ...more,
  });
}

const PEOPLE = `query { allPeople(first: 20) { people { name
  vehicleConnection(first: 10) { vehicles { id name cargoCapacity } } } } }`;
const FILMS = `query { allPeople(first: 100) { people { vehicleConnection(first: 10) { vehicles {
  filmConnection(first: 5) { films { characterConnection(first: 50) { characters { name } } } } } } } } }`;
const first = (path: string, more: Partial<Decoration> = {}) => ({
  path,
  args: ['first'],
  ...more,
});

describe('the cost of a query', () => {
  test('is what APISIX works out in its examples', () => {
    expect(cost(PEOPLE, [first('Query.allPeople'), first('Person.vehicleConnection')])).toBe(862);
    expect(
      cost(PEOPLE, [
        first('Query.allPeople', { mul: 2, add: 2 }),
        first('Person.vehicleConnection', { add: 5 }),
        { path: 'Vehicle.name', add: 8 },
      ]),
    ).toBe(4683);
    const counted = [
      first('Query.allPeople'),
      first('Vehicle.filmConnection'),
      first('Film.characterConnection'),
    ];
    const strategy = 'node_quantifier';
    const vehicles = (add: number) => [...counted, first('Person.vehicleConnection', { add })];
    expect(cost(FILMS, vehicles(1), { strategy })).toBe(6101);
    expect(cost(FILMS, vehicles(42), { strategy })).toBe(10_201);
  });

  test('counts a fragment as what it selects, as often as it stands there', () => {
    const people = [first('Query.allPeople')];
    const fragment = 'fragment pf on Person { name }';
    const spread = (what: string) => `query { allPeople(first: 20) { people { ${what} } } }`;
    expect(cost(`${spread('...pf')} ${fragment}`, people)).toBe(42);
    expect(cost(`${spread('...pf ...pf')} ${fragment}`, people)).toBe(62);
    expect(cost(spread('... on Person { name }'), people)).toBe(42);
  });

  test('goes by the type that a fragment is on', () => {
    const query = 'query { node { ... on Person { name } } }';
    expect(cost(query, [{ path: 'Person.name', add: 10 }])).toBe(12);
    expect(cost(query, [{ path: 'Person.name', add: 10 }, { path: 'Film' }])).toBe(12);
    expect(cost(query, [{ path: 'Node.name', add: 10 }])).toBe(3);
  });

  test('weighs a type wherever it comes up, and lets the longer path win', () => {
    const query = 'query { allPeople { people { name } } }';
    expect(cost(query, [{ path: 'Person', add: 10 }])).toBe(13);
    expect(cost(query, [{ path: 'Query', add: 10 }])).toBe(13);
    const chain = { path: 'Query.allPeople.people', add: 20 };
    expect(cost(query, [chain, { path: 'Person', add: 10 }])).toBe(23);
  });

  test('takes counts from variables, from their defaults and from the schema', () => {
    const people = [first('Query.allPeople'), { path: 'Person.name', args: ['limit'] }];
    const strategy = 'node_quantifier';
    const query = 'query ($n: Int = 5) { allPeople(first: $n) { people { name } } }';
    const options = { strategy } as const;
    expect(cost(query, people, { ...options, variables: { n: 100 } })).toBe(101);
    expect(cost(query, people, options)).toBe(6);
    expect(cost(query, people, { ...options, variables: undefined })).toBe(0);
  });

  test.each(['"ten"', '-5', 'true', 'null', '[1]', '1e999'])('leaves out the count %s', (count) => {
    const query = `query { allPeople(first: ${count}) { people { name } } }`;
    expect(cost(query, [first('Query.allPeople')], { strategy: 'node_quantifier' })).toBe(0);
  });

  test('is that of the dearest operation', () => {
    const query = 'query a { node { name } } query b { allPeople { people { name } } }';
    expect(cost(query, [])).toBe(4);
  });

  test('is not worked out for what grows without bound', () => {
    const fragments = Array.from({ length: 30 }, (_, i) => {
      const inner = i === 0 ? 'name' : `...f${i - 1} ...f${i - 1}`;
      return `fragment f${i} on Person { ${inner} }`;
    });
    const query = `query { node { ...f29 } } ${fragments.join(' ')}`;
    expect(() => cost(query, [])).toThrow(ExpansionError);
  });
});

describe('the depth of a query', () => {
  const depth = (query: string) => queryDepth(executable(parseGraphql(query)));

  test('is how deep its selections nest', () => {
    expect(depth('{ a }')).toBe(1);
    expect(depth('query q { foo { bar, baz { boo, baa { id, lol } } } }')).toBe(4);
    expect(depth('{ ...f } fragment f on A { a { ... on B { b { c } } } }')).toBe(3);
  });

  test('is not there where fragments go in a circle', () => {
    expect(
      depth('{ ...f } fragment f on A { ...g } fragment g on A { a { ...f } }'),
    ).toBeUndefined();
  });
});
