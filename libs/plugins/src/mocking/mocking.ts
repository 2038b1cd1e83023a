import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { pause } from '../pause.ts';
import { addReplyHeader, type ReplyHeaders } from '../reply-headers.ts';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import { exampleObject, toXml } from './example-value.ts';
import { mediaTypeOf } from './media-type.ts';
import { definition } from './mocking.schema.ts';
import type { ExampleSchema, MockingConf } from './mocking.schema.ts';

interface Prepared {
  readonly status: number;
  readonly delayMs: number;
  readonly fixedHeaders: Readonly<Record<string, string>>;
  readonly headers: readonly (readonly [string, VariableTemplate])[];
  /** Undefined: made from the schema for each request. */
  readonly body: VariableTemplate | undefined;
  readonly makeBody: () => string;
}

/** What APISIX 3.18 says, which tests of clients may look for. */
const MOCKED_BY = 'APISIX/3.18.0';

/** Answers in the place of an upstream, with an example or with values by chance. */
export default definePlugin<MockingConf, Prepared>(definition, {
  prepare: (conf, { log }) => {
    const mediaType = mediaTypeOf(conf.content_type);
    if (conf.response_example === undefined && mediaType === 'text/html') {
      log.error('json schema body only support xml and json content type');
    }
    return {
      status: conf.response_status,
      delayMs: conf.delay * 1000,
      fixedHeaders: {
        'Content-Type': conf.content_type,
        ...(conf.with_mock_header ? { 'x-mock-by': MOCKED_BY } : {}),
      },
      headers: Object.entries(conf.response_headers ?? {}).map(([name, value]) => [
        name,
        compileTemplate(String(value)),
      ]),
      body:
        conf.response_example === undefined ? undefined : compileTemplate(conf.response_example),
      makeBody: bodyMaker(conf.response_schema ?? {}, mediaType),
    };
  },

  access(ctx, prepared) {
    if (prepared.delayMs <= 0) return reply(ctx, prepared);
    return pause(prepared.delayMs, ctx.signal).then(() => reply(ctx, prepared));
  },
});

function reply({ vars }: RequestContext, prepared: Prepared): LocalReply {
  const headers: ReplyHeaders = { ...prepared.fixedHeaders };
  for (const [name, value] of prepared.headers) {
    addReplyHeader(headers, name, headerValue(value.render(vars)));
  }
  // what is made by chance may have variables too, from the examples
  const body = prepared.body ?? compileTemplate(prepared.makeBody());
  return { status: prepared.status, headers, body: body.render(vars) };
}

function bodyMaker(schema: ExampleSchema, mediaType: string): () => string {
  switch (mediaType) {
    case 'application/xml':
    case 'text/xml':
      return () => toXml(exampleObject(schema), 'data');
    case 'application/json':
    case 'text/plain':
      return () => JSON.stringify(exampleObject(schema));
    default:
      return () => '';
  }
}
