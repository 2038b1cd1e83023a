import { compileSchema, ConfigError, PatternSubjectError } from '@polygate/model';
import { definePlugin, GatewayError } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { readJson } from '../json-problem.ts';
import { parseForm } from './form-fields.ts';
import { headerTable, spellingsIn, type Spelling } from './header-table.ts';
import { definition } from './request-validation.schema.ts';
import type { RequestValidationConf } from './request-validation.schema.ts';

/** Throws a ConfigError; fills defaults into the value. */
type Check = (value: unknown) => void;

interface Prepared {
  readonly checkHeaders: Check | undefined;
  readonly spellings: readonly Spelling[];
  readonly checkBody: Check | undefined;
  readonly bodyBytesMax: number;
  readonly status: number;
  readonly message: string | undefined;
}

const FORM = 'application/x-www-form-urlencoded';

export default definePlugin<RequestValidationConf, Prepared>(definition, {
  prepare: ({ header_schema: headerSchema, body_schema: bodySchema, ...conf }) => ({
    checkHeaders: headerSchema === undefined ? undefined : compileSchema(headerSchema),
    spellings: headerSchema === undefined ? [] : spellingsIn(headerSchema),
    checkBody: bodySchema === undefined ? undefined : compileSchema(bodySchema),
    bodyBytesMax: conf.max_req_body_size,
    status: conf.rejected_code,
    message: conf.rejected_msg,
  }),

  rewrite(ctx, prepared) {
    const { checkHeaders, checkBody, spellings } = prepared;
    if (checkHeaders !== undefined) {
      const problem = problemOf(headerTable(ctx.request.headers, spellings), checkHeaders);
      if (problem !== undefined) {
        ctx.log.error(`req schema validation failed${problem}`);
        return refusal(prepared, problem);
      }
    }
    if (checkBody === undefined) return undefined;
    return ctx.request.readBody(prepared.bodyBytesMax).then(
      (body) => validateBody(ctx, prepared, body, checkBody),
      (error: unknown) => {
        if (!(error instanceof GatewayError) || error.code !== 'REQUEST_BODY_TOO_LARGE')
          throw error;
        ctx.log.error(`failed to get body: ${error.message}`);
        return refusal(prepared);
      },
    );
  },
});

function validateBody(
  ctx: RequestContext,
  prepared: Prepared,
  body: Buffer | undefined,
  check: Check,
): LocalReply | undefined {
  if (body === undefined || body.length === 0) return refusal(prepared);
  const types = ctx.request.headers.getAll('content-type');
  // the upstream may go by the other one, and read what was not checked
  if (types.length > 1) {
    ctx.log.error('duplicated Content-Type header');
    return refusal(prepared);
  }
  const isForm = types[0]?.toLowerCase().startsWith(FORM) === true;
  const decoded = isForm ? parseForm(body.toString()) : parseJson(body.toString());
  if (decoded instanceof Error) {
    ctx.log.error(`failed to decode the req body: ${decoded.message}`);
    return refusal(prepared, decoded.message);
  }
  const problem = problemOf(decoded, check);
  if (problem !== undefined) {
    ctx.log.error(`req schema validation failed: ${problem}`);
    return refusal(prepared, problem);
  }
  // what was checked is what the upstream gets: readers of JSON do not agree about doubled names
  if (!isForm) ctx.request.setBody(Buffer.from(JSON.stringify(decoded)));
  return undefined;
}

/** As deep as cjson reads. */
const DEPTH_MAX = 1000;

/** The value, or why there is none. `false` alone is none either, as in APISIX. */
function parseJson(text: string): unknown {
  const read = readJson(text);
  if (read.problem !== undefined) return new Error(read.problem);
  if (read.value === false) return new Error('nil');
  return isTooDeep(text) ? new Error('found too many nested data structures') : read.value;
}

/** Of text that is JSON. Brackets in strings count for nothing. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (character === 0x22) i = endOfString(text, i + 1);
    else if (character === 0x5b || character === 0x7b) depth += 1;
    else if (character === 0x5d || character === 0x7d) depth -= 1;
    if (depth > DEPTH_MAX) return true;
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let i = start;
  while (text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
  return i;
}

function problemOf(value: unknown, check: Check): string | undefined {
  try {
    check(value);
    return undefined;
  } catch (error) {
    // a subject too long for a pattern of the schema is no valid one either
    if (error instanceof ConfigError || error instanceof PatternSubjectError) return error.message;
    throw error;
  }
}

/** `rejected_msg` stands for any reason; without both the gateway has a page of its own. */
function refusal({ status, message }: Prepared, reason?: string): LocalReply {
  const body = message ?? reason;
  return body === undefined ? { status } : { status, body };
}
