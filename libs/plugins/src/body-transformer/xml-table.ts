import { LuaTable, type LuaKey, type LuaValue } from './lua/lua-value.ts';

/** A body that is not of the format it should be. */
export class DecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DecodeError';
  }
}

const DEPTH_MAX = 500;
const PIECE = /([^<]*)<(!--[\s\S]*?--|!\[CDATA\[[\s\S]*?\]\]|![^>]*|\?[\s\S]*?\?|\/?[^>]*)>/y;
const ATTRIBUTE = /([^\s=]+?)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

interface Element {
  readonly name: string;
  readonly node: LuaTable;
}

/**
 * XML as xml2lua makes tables of it: an element by its name, several of one name in a list, one that
 * has only text as that text, attributes in `_attr`; without the prefixes of namespaces. Entities that
 * a document declares are not known. Throws a DecodeError.
 */
export function parseXml(source: string): LuaTable {
  const root = new LuaTable();
  const stack: Element[] = [{ name: '', node: root }];
  let at = 0;
  for (;;) {
    PIECE.lastIndex = at;
    const piece = PIECE.exec(source);
    if (piece === null) break;
    at += piece[0].length;
    const [, before = '', tag = ''] = piece;
    const { node } = stack.at(-1) as Element;
    addText(node, expandEntities(before), stack.length);
    if (tag.startsWith('![CDATA[')) addText(node, tag.slice(8, -2), stack.length);
    else if (tag.startsWith('/')) close(stack, tag.slice(1).trim(), at);
    else if (!tag.startsWith('!') && !tag.startsWith('?')) open(stack, tag, at);
  }
  const isIncomplete = stack.length > 1;
  if (isIncomplete || root.size === 0 || /\S/.test(source.slice(at))) {
    const what = isIncomplete && !/\S/.test(source.slice(at)) ? 'Incomplete XML Document' : FAULT;
    throw new DecodeError(`${what} [char=${at + 1}]`);
  }
  reduce(root);
  return withoutNamespaces(root) as LuaTable;
}

const FAULT = 'Error Parsing XML';

function addText(node: LuaTable, text: string, depth: number): void {
  const trimmed = text.trim();
  if (trimmed === '') return;
  if (depth === 1) throw new DecodeError(`${FAULT} [char=1]`);
  node.set(node.length + 1, trimmed);
}

function open(stack: Element[], tag: string, at: number): void {
  const isClosed = tag.endsWith('/');
  const text = isClosed ? tag.slice(0, -1) : tag;
  const name = /^[^\s/>]+/.exec(text)?.[0];
  if (name === undefined || stack.length > DEPTH_MAX) {
    throw new DecodeError(`${FAULT} [char=${at}]`);
  }
  const node = new LuaTable();
  const attributes = attributesOf(text.slice(name.length));
  if (attributes.size > 0) node.set('_attr', attributes);
  const parent = (stack.at(-1) as Element).node;
  const siblings = parent.get(name);
  if (siblings instanceof LuaTable) siblings.set(siblings.length + 1, node);
  else parent.set(name, LuaTable.list([node]));
  if (!isClosed) stack.push({ name, node });
}

function close(stack: Element[], name: string, at: number): void {
  const last = stack.length > 1 ? stack.pop() : undefined;
  if (last?.name === name) return;
  throw new DecodeError(`XML Error - Unmatched Tag [/${name}] [char=${at}]`);
}

function attributesOf(text: string): LuaTable {
  return LuaTable.of(
    [...text.matchAll(ATTRIBUTE)].map(
      ([, name = '', double, single]) =>
        [name.toLowerCase(), expandEntities(double ?? single ?? '')] as const,
    ),
  );
}

/** A list of one stands for that one, as a node of one text does. */
function reduce(node: LuaTable): void {
  for (const [key, value] of node.entries()) {
    if (!(value instanceof LuaTable) || key === '_attr') continue;
    reduce(value);
    if (value.length === 1 && value.get('_attr') === undefined) node.set(key, value.get(1));
  }
}

/** An element with nothing in it is an empty text. */
function withoutNamespaces(value: LuaValue): LuaValue {
  if (!(value instanceof LuaTable)) return value;
  if (value.size === 0) return '';
  const table = new LuaTable();
  for (const [key, one] of value.entries()) table.set(localName(key), withoutNamespaces(one));
  return table;
}

function localName(key: LuaKey): LuaKey {
  return typeof key === 'string' ? key.slice(key.lastIndexOf(':') + 1) : key;
}

const NAMED: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
};

function expandEntities(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w{1,8}));/g,
    (whole, hex, dec, name) => {
      const known =
        typeof name === 'string' && Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
      if (name !== undefined) return known ?? whole;
      const code = hex === undefined ? Number(dec) : parseInt(String(hex), 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
