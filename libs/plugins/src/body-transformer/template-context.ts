import type { RequestContext } from '@polygate/plugin-sdk';
import type { DecodedBody } from './decode-body.ts';
import { fromJson, toJson } from './lua/lua-json.ts';
import {
  LuaTable,
  toText,
  type LuaFunction,
  type LuaKey,
  type LuaObject,
  type LuaValue,
} from './lua/lua-value.ts';

/** Names that no body may take the place of. */
const RESERVED = ['_ctx', '_body', '_escape_xml', '_escape_json', '_multipart'];

/** What a template sees: the decoded body, and beside it the request and two ways to escape. */
export function templateContext(
  { entries, parts }: DecodedBody,
  body: string | undefined,
  ctx: RequestContext,
): LuaTable {
  const context = new LuaTable(
    new Map<LuaKey, LuaValue>([
      ['_ctx', requestObject(ctx)],
      ['_body', body],
      ['_escape_xml', escapeXml],
      ['_escape_json', escapeJson],
      ['_multipart', parts],
    ]),
  );
  context.isList = entries.isList;
  for (const [key, value] of entries.entries()) {
    if (!RESERVED.includes(String(key))) context.set(key, value);
  }
  return context;
}

const XML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '"': '&quot;',
};

/** Answers the number of quotation marks too, for gsub does. */
const escapeXml: LuaFunction = ([value], budget) => {
  const text = toText(value);
  budget.text(text.length);
  const quotes = text.split('"').length - 1;
  return [text.replace(/[&<>'"]/g, (char) => XML[char] ?? char), quotes];
};

const escapeJson: LuaFunction = ([value], budget) => [toJson(value, budget)];

/** `ctx` of APISIX as far as templates have use for it. */
function requestObject(ctx: RequestContext): LuaObject {
  const vars: LuaObject = { isLuaObject: true, get: (name) => ctx.vars.get(String(name)) };
  return {
    isLuaObject: true,
    get(key) {
      switch (key) {
        case 'var':
          return vars;
        case 'consumer':
          return consumerTable(ctx);
        case 'consumer_name':
          return ctx.consumer?.username;
        case 'consumer_group_id':
          return ctx.consumer?.groupId;
        case 'matched_route':
          return ctx.route === undefined ? undefined : fromJson({ value: { id: ctx.route.id } });
        default:
          return typeof key === 'string' ? ctx.vars.get(key) : undefined;
      }
    },
  };
}

function consumerTable({ consumer }: RequestContext): LuaTable | undefined {
  if (consumer === undefined) return undefined;
  return LuaTable.of([
    ['username', consumer.username],
    ['consumer_name', consumer.username],
    ['group_id', consumer.groupId],
    ['custom_id', consumer.customId],
    ['labels', consumer.labels === undefined ? undefined : fromJson(consumer.labels)],
  ]);
}
