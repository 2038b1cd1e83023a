import Router from '@koa/router';
import type { Middleware } from 'koa';
import { type Answer, refusal } from '../answer.ts';
import { type Arguments, readArguments } from '../listing.ts';
import { type AdminContext, type AdminState, respond } from '../middleware/admin-state.ts';
import { readConfigsBody } from '../body/request-body.ts';
import type { Transactions } from './transactions.ts';

const TRANSACTION_BYTES_MAX = 16 * 1024 * 1024;
const LIMIT = 50;
const LIMIT_MAX = 500;
const KEY_PATTERN = /^(?:\/[\w.-]{1,256}){2,5}$/;

/** `/apisix/admin/polygate/transaction`, `…/history` and `…/rollback/{revision}`. */
export function transactionRoutes(transactions: Transactions): Middleware<AdminState> {
  const router = new Router<AdminState>({ prefix: '/apisix/admin/polygate' });
  router.post('/transaction', async (ctx) => {
    const dryRun = readFlag(readArguments(ctx.query), 'dry_run');
    respond(ctx, typeof dryRun === 'object' ? dryRun : await transact(ctx, transactions, dryRun));
  });
  router.post('/rollback/:revision', async (ctx) => {
    const args = readArguments(ctx.query);
    const [dryRun, force] = [readFlag(args, 'dry_run'), readFlag(args, 'force')];
    const revision = readInteger(ctx.params['revision']);
    if (typeof dryRun === 'object') respond(ctx, dryRun);
    else if (typeof force === 'object') respond(ctx, force);
    else if (revision === undefined) respond(ctx, refuseRevision(String(ctx.params['revision'])));
    else respond(ctx, await transactions.rollback(revision, { dryRun, force }));
  });
  router.get('/history', async (ctx) => {
    respond(ctx, await history(ctx, transactions));
  });
  return router.routes() as Middleware<AdminState>;
}

async function transact(
  ctx: AdminContext,
  transactions: Transactions,
  dryRun: boolean,
): Promise<Answer> {
  let refused: Answer | undefined;
  const answer = await transactions.transact(async () => {
    const body = await readConfigsBody(ctx.req, TRANSACTION_BYTES_MAX);
    if (body.ok) return body.value;
    refused = body.answer;
    return undefined;
  }, dryRun);
  return refused ?? answer;
}

async function history(ctx: AdminContext, transactions: Transactions): Promise<Answer> {
  const args = readArguments(ctx.query);
  const limit = args['limit'] === undefined ? LIMIT : readInteger(args['limit']);
  if (limit === undefined || limit > LIMIT_MAX) {
    return refusal(400, `invalid argument limit: should be an integer from 1 to ${LIMIT_MAX}`);
  }
  const before = args['before'] === undefined ? undefined : readInteger(args['before']);
  if (args['before'] !== undefined && before === undefined) {
    return refusal(400, 'invalid argument before: should be a revision');
  }
  const { key } = args;
  if (key !== undefined && !KEY_PATTERN.test(key)) {
    return refusal(400, 'invalid argument key: should be the key of an object, as /routes/1');
  }
  const gone = new AbortController();
  const abort = () => gone.abort();
  ctx.res.on('close', abort);
  try {
    return await transactions.history({
      limit,
      signal: gone.signal,
      ...(before !== undefined && { before }),
      ...(key !== undefined && { key }),
    });
  } finally {
    ctx.res.off('close', abort);
  }
}

/** An integer from 1; undefined for everything else. */
function readInteger(text: string | undefined): number | undefined {
  const value = /^\d{1,16}$/.test(text ?? '') ? Number(text) : 0;
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function readFlag(args: Arguments, name: string): boolean | Answer {
  const text = args[name];
  if (text === undefined || text === 'false') return false;
  return text === 'true' || refusal(400, `invalid argument ${name}: should be true or false`);
}

function refuseRevision(text: string): Answer {
  return refusal(400, `invalid revision ${text.slice(0, 30)}: should be an integer from 1`);
}
