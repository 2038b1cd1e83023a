import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, PublicApiSources, RequestContext } from '@polygate/plugin-sdk';
import { definition, type BatchRequestsConf } from './batch-requests.schema.ts';
import { LoopbackClient, type LoopbackAnswer } from './loopback-client.ts';
import { loopbackRequest } from './loopback-request.ts';
import { readBatch, type Batch } from './read-batch.ts';

const PATH = '/apisix/batch-requests';
const BODY_BYTES_MAX = 1024 * 1024;
const ITEMS_MAX = 1000;

/** Sends the requests of one body through the gateway, and answers with all their answers. */
export default definePlugin<BatchRequestsConf>(definition, {
  publicApis(attr, sources) {
    const { uri } = attr;
    return [
      {
        methods: ['POST'],
        path: typeof uri === 'string' ? uri : PATH,
        handle: (ctx) => handle(ctx, sources),
      },
    ];
  },
});

async function handle(ctx: RequestContext, sources: PublicApiSources): Promise<LocalReply> {
  const { max_body_size: bytesMax, max_pipeline_items: itemsMax } = sources.metadata();
  const body = await readBody(ctx, typeof bytesMax === 'number' ? bytesMax : BODY_BYTES_MAX);
  if (typeof body === 'string') return { status: 413, body: { error_msg: body } };
  if (body === undefined || body.length === 0) {
    return refusal('no request body, you should give at least one pipeline setting');
  }
  const batch = readBatch(body);
  if (typeof batch === 'string') return refusal(batch);
  const count = batch.pipeline.length;
  const countMax = typeof itemsMax === 'number' ? itemsMax : ITEMS_MAX;
  if (count > countMax) {
    return refusal(`too many pipeline requests, ${count} exceeds the maximum of ${countMax}`);
  }
  const answers = await sendAll(ctx, batch, sources.settings.realIpHeader);
  if (answers instanceof Error) return refusal(`request failed: ${answers.message}`);
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json' },
    // bodies of any encoding stay what they are
    body: Buffer.from(JSON.stringify(answers), 'latin1'),
  };
}

function refusal(reason: string): LocalReply {
  return { status: 400, body: { error_msg: reason } };
}

/** Undefined without one; a text: why it is not taken. */
async function readBody(
  { request }: RequestContext,
  bytesMax: number,
): Promise<Buffer | string | undefined> {
  const tooLarge = (size: number | string): string =>
    `request size ${size} is greater than the maximum size ${bytesMax} allowed`;
  const length = Number(request.headers.get('content-length'));
  if (length > bytesMax) return tooLarge(length);
  // one that does not tell its length is read as far as the gateway allows, for the answer names it
  const body = await request.readBody();
  return body !== undefined && body.length > bytesMax ? tooLarge(body.length) : body;
}

async function sendAll(
  ctx: RequestContext,
  batch: Batch,
  realIpHeader: string,
): Promise<readonly (LoopbackAnswer | typeof TIMED_OUT)[] | Error> {
  const client = new LoopbackClient(ctx, batch.timeout);
  const answers: (LoopbackAnswer | typeof TIMED_OUT)[] = [];
  try {
    for (const item of batch.pipeline) {
      const answer = await client.send(loopbackRequest(item, batch, ctx, realIpHeader));
      if (answer === undefined) ctx.log.error(`request to ${item.path} failed: timeout`);
      if (answer?.read_body_err !== undefined) {
        ctx.log.error(`read pipeline response body failed: ${answer.read_body_err}`);
      }
      answers.push(answer ?? TIMED_OUT);
    }
    return answers;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  } finally {
    client.close();
  }
}

const TIMED_OUT = { status: 504, reason: 'upstream timeout' };
