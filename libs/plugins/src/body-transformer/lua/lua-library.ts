import { parse as parseYaml, YAMLError } from 'yaml';
import { fromJson, parseLuaJson, toJson } from './lua-json.ts';
import { stringLibrary } from './lua-strings.ts';
import {
  isTrue,
  LuaError,
  LuaTable,
  NULL,
  toNumber,
  toText,
  typeName,
  type LuaFunction,
  type LuaValue,
} from './lua-value.ts';

const math: Readonly<Record<string, (...numbers: number[]) => number>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  fmod: (a = NaN, b = NaN) => a % b,
  max: Math.max,
  min: Math.min,
  pow: (a = NaN, b = NaN) => a ** b,
  sqrt: Math.sqrt,
};

export function libraryTable(functions: Readonly<Record<string, LuaFunction>>): LuaTable {
  return LuaTable.of(Object.entries(functions));
}

const mathLibrary = LuaTable.of([
  ...Object.entries(math).map(([name, operate]) => {
    const run: LuaFunction = (args) => [operate(...args.map((_, i) => numberAt(args, i, name)))];
    return [name, run] as const;
  }),
  ['huge', Infinity],
  ['pi', Math.PI],
]);

const tableLibrary = libraryTable({
  concat(args, budget) {
    const list = tableAt(args, 0, 'concat');
    const separator = args[1] === undefined ? '' : toText(args[1]);
    const parts = list.listed().map((value, i) => {
      if (typeof value === 'string' || typeof value === 'number') return toText(value);
      throw new LuaError(
        `invalid value (${typeName(value)}) at index ${i + 1} in table for 'concat'`,
      );
    });
    budget.text(parts.reduce((sum, { length }) => sum + length + separator.length, 0));
    return [parts.join(separator)];
  },
  insert(args, budget) {
    const list = tableAt(args, 0, 'insert');
    if (args.length < 3) {
      list.set(list.length + 1, args[1]);
      return [];
    }
    const values = list.listed();
    budget.step(values.length);
    values.splice(numberAt(args, 1, 'insert') - 1, 0, args[2]);
    list.setListed(values);
    return [];
  },
  remove(args, budget) {
    const list = tableAt(args, 0, 'remove');
    const values = list.listed();
    budget.step(values.length);
    if (values.length === 0) return [undefined];
    const at = args[1] === undefined ? values.length : numberAt(args, 1, 'remove');
    const [removed] = values.splice(at - 1, 1);
    list.setListed(values);
    return [removed];
  },
});

/** What `pairs` and `ipairs` step with: loops know them, and walk the table themselves. */
export const PAIRS_STEP: LuaFunction = () => {
  throw new LuaError("the iterator of 'pairs' is for loops only");
};
export const IPAIRS_STEP: LuaFunction = () => {
  throw new LuaError("the iterator of 'ipairs' is for loops only");
};

const jsonLibrary = libraryTable({
  encode: (args, budget) => [toJson(args[0], budget)],
  decode(args, budget) {
    const text = toText(args[0]);
    budget.text(text.length);
    try {
      return [parseLuaJson(text)];
    } catch (error) {
      if (error instanceof SyntaxError) return [undefined, error.message];
      throw error;
    }
  },
});
jsonLibrary.set('null', NULL);

const coreJson = LuaTable.of(jsonLibrary.entries());
coreJson.set('stably_encode', jsonLibrary.get('encode'));

const yamlLibrary = libraryTable({
  load(args, budget) {
    const text = toText(args[0]);
    budget.text(text.length);
    try {
      return [fromJson(parseYaml(text, { maxAliasCount: 100, logLevel: 'silent' }))];
    } catch (error) {
      if (error instanceof YAMLError || error instanceof ReferenceError) {
        throw new LuaError(error.message);
      }
      throw error;
    }
  },
});

/** What a template may `require`: nothing that reaches beyond it. */
const MODULES: ReadonlyMap<string, LuaTable> = new Map([
  ['cjson', jsonLibrary],
  ['cjson.safe', jsonLibrary],
  ['apisix.core', LuaTable.of([['json', coreJson]])],
  ['apisix.core.json', coreJson],
  ['lyaml', yamlLibrary],
  ['string', stringLibrary],
  ['table', tableLibrary],
  ['math', mathLibrary],
]);

export function hasModule(name: string): boolean {
  return MODULES.has(name);
}

const ngx = libraryTable({
  encode_base64: (args) => [Buffer.from(toText(args[0])).toString('base64')],
  decode_base64: (args) => [Buffer.from(toText(args[0]), 'base64').toString()],
  escape_uri: (args) => [encodeURIComponent(toText(args[0]))],
  time: () => [Math.floor(Date.now() / 1000)],
  now: () => [Date.now() / 1000],
});
ngx.set('null', NULL);

/** What every template sees beside its body. */
export const GLOBALS: ReadonlyMap<string, LuaValue> = new Map<string, LuaValue>([
  ['string', stringLibrary],
  ['table', tableLibrary],
  ['math', mathLibrary],
  ['ngx', ngx],
  ['null', NULL],
  ['os', libraryTable({ time: () => [Math.floor(Date.now() / 1000)] })],
  ['pairs', (args) => [PAIRS_STEP, tableAt(args, 0, 'pairs')]],
  ['ipairs', (args) => [IPAIRS_STEP, tableAt(args, 0, 'ipairs')]],
  ['tostring', (args) => [toText(args[0])]],
  ['tonumber', (args) => [tonumber(args)]],
  ['type', (args) => [typeName(args[0])]],
  ['require', (args) => [MODULES.get(toText(args[0]))]],
  ['next', (args) => tableAt(args, 0, 'next').entries()[0] ?? [undefined]],
  [
    'select',
    (args) => (args[0] === '#' ? [args.length - 1] : args.slice(numberAt(args, 0, 'select'))),
  ],
  ['unpack', (args) => tableAt(args, 0, 'unpack').listed()],
  [
    'assert',
    (args) => {
      if (isTrue(args[0])) return args;
      throw new LuaError(args[1] === undefined ? 'assertion failed!' : toText(args[1]));
    },
  ],
  [
    'error',
    (args) => {
      throw new LuaError(toText(args[0]));
    },
  ],
]);

function tonumber(args: readonly LuaValue[]): number | undefined {
  if (args[1] === undefined) return toNumber(args[0]);
  const digits = toText(args[0]).trim().toLowerCase();
  const base = numberAt(args, 1, 'tonumber');
  const value = parseInt(digits, base);
  return Number.isNaN(value) || value.toString(base) !== digits ? undefined : value;
}

function numberAt(args: readonly LuaValue[], index: number, name: string): number {
  const value = toNumber(args[index]);
  if (value !== undefined) return value;
  throw badArgument(args, index, name, 'number');
}

function tableAt(args: readonly LuaValue[], index: number, name: string): LuaTable {
  const value = args[index];
  if (value instanceof LuaTable) return value;
  throw badArgument(args, index, name, 'table');
}

function badArgument(
  args: readonly LuaValue[],
  index: number,
  name: string,
  wanted: string,
): LuaError {
  const got = index < args.length ? typeName(args[index]) : 'no value';
  return new LuaError(`bad argument #${index + 1} to '${name}' (${wanted} expected, got ${got})`);
}
