import Router from '@koa/router';
import type { Logger } from '@polygate/plugin-sdk';
import { showLogLine } from '@polygate/rpc';
import type { Middleware } from 'koa';
import { type Answer, refusal } from '../answer.ts';
import { readJsonBody } from '../body/request-body.ts';
import { type AdminContext, type AdminState, respond } from '../middleware/admin-state.ts';
import { describeCall, describeRunner } from './describe-runner.ts';
import { LiveStream } from './live-stream.ts';
import { readRecordRequest } from './read-record-request.ts';
import type { ManagerFailure, RunnerManagers } from './runner-managers.ts';

export interface RunnerRoutesOptions {
  readonly managers: RunnerManagers;
  readonly auditLog: Logger;
}

/** Answers that go on until the client has enough. */
const LIVE_STREAMS_MAX = 32;

/**
 * `/apisix/admin/polygate/runners…`: what the runners of all runner managers do, and what can be done
 * with them. Viewers may GET; a recording holds what requests hold, so it takes an admin.
 */
export function runnerRoutes({ managers, auditLog }: RunnerRoutesOptions): Middleware<AdminState> {
  const router = new Router<AdminState>({ prefix: '/apisix/admin/polygate/runners' });
  let liveStreams = 0;
  const openLiveStream = (ctx: AdminContext): LiveStream | undefined => {
    if (liveStreams >= LIVE_STREAMS_MAX) {
      respond(ctx, refusal(503, `${liveStreams} clients are watching or recording already`));
      return undefined;
    }
    liveStreams += 1;
    const stream = new LiveStream(ctx);
    stream.onClose(() => void (liveStreams -= 1));
    return stream;
  };
  router.get('/', async (ctx) => respond(ctx, await listAll(managers)));
  router.get('/:name', async (ctx) => respond(ctx, await listOne(managers, nameOf(ctx))));
  router.post('/:name/restart', async (ctx) => {
    const name = nameOf(ctx);
    audit(auditLog, ctx, `restart of runner ${name}`);
    respond(ctx, await restart(managers, name));
  });
  router.get('/:name/logs', async (ctx) => {
    const name = nameOf(ctx);
    const found = await findManagers(managers, name);
    if ('status' in found) return respond(ctx, found);
    const stream = openLiveStream(ctx);
    for (const manager of found.managers) {
      stream?.follow(managers.watchLog(manager, name), {
        describe: ({ line }) => ({ manager, ...(line && showLogLine(line)) }),
        onError: (error) => ({ manager, error_msg: error.message }),
      });
    }
  });
  router.post('/:name/record', async (ctx) => {
    const body = await readJsonBody(ctx.req);
    if (!body.ok) return respond(ctx, body.answer);
    const read = readRecordRequest(body.value);
    if ('status' in read) return respond(ctx, read);
    const name = nameOf(ctx);
    const found = await findManagers(managers, name);
    if ('status' in found) return respond(ctx, found);
    const stream = openLiveStream(ctx);
    if (stream === undefined) return;
    audit(auditLog, ctx, `recording of calls to runner ${name}`);
    const timer = setTimeout(() => stream.end(), read.timeoutMs);
    stream.onClose(() => clearTimeout(timer));
    let callsLeft = read.request.callsMax;
    for (const manager of found.managers) {
      const recorded = managers.recordCalls(manager, { ...read.request, runner: name });
      stream.follow(recorded, {
        describe: ({ call }) => {
          callsLeft -= 1;
          // After this one: each manager records as many as all together may.
          if (callsLeft === 0) setImmediate(() => stream.end());
          return call === undefined ? { manager } : describeCall(manager, call);
        },
        onError: (error) => ({ manager, error_msg: error.message }),
      });
    }
  });
  return router.routes() as Middleware<AdminState>;
}

async function listAll(managers: RunnerManagers): Promise<Answer> {
  const { answers, failures } = await managers.listRunners();
  if (answers.length === 0) return noManager(failures);
  const list = answers.flatMap(({ manager, value }) =>
    value.map((runner) => describeRunner(manager, runner)),
  );
  const body = { total: list.length, list, unreachable: failures.map(describeFailure) };
  return { status: 200, body };
}

async function listOne(managers: RunnerManagers, name: string): Promise<Answer> {
  const { answers, failures } = await managers.listRunners();
  if (answers.length === 0) return noManager(failures);
  const list = answers.flatMap(({ manager, value }) =>
    value.filter((one) => one.name === name).map((runner) => describeRunner(manager, runner)),
  );
  if (list.length === 0) return unknownRunner(name, failures);
  const body = { total: list.length, list, unreachable: failures.map(describeFailure) };
  return { status: 200, body };
}

async function restart(managers: RunnerManagers, name: string): Promise<Answer> {
  const found = await findManagers(managers, name);
  if ('status' in found) return found;
  const { answers, failures } = await managers.restartRunner(found.managers, name);
  const list = answers.map(({ manager, value: generation }) => ({ manager, generation }));
  if (failures.length === 0) return { status: 200, body: { list } };
  // The rest of the fleet has been restarted, and is named.
  const error_msg = failures.map(({ manager, error }) => `${manager}: ${error.message}`).join('; ');
  const errors = [...list, ...failures.map(describeFailure)];
  return { status: 409, body: { error_msg: `failed to restart: ${error_msg}`, errors } };
}

/** Those that have the runner. */
async function findManagers(
  managers: RunnerManagers,
  name: string,
): Promise<{ readonly managers: readonly string[] } | Answer> {
  const { answers, failures } = await managers.listRunners();
  if (answers.length === 0) return noManager(failures);
  const having = answers
    .filter(({ value }) => value.some((runner) => runner.name === name))
    .map(({ manager }) => manager);
  return having.length === 0 ? unknownRunner(name, failures) : { managers: having };
}

function noManager(failures: readonly ManagerFailure[]): Answer {
  const error_msg = 'no runner manager can be reached';
  return { status: 503, body: { error_msg, errors: failures.map(describeFailure) } };
}

function unknownRunner(name: string, failures: readonly ManagerFailure[]): Answer {
  const error_msg = `there is no runner ${JSON.stringify(name)}`;
  if (failures.length === 0) return { status: 404, body: { error_msg } };
  return { status: 404, body: { error_msg, errors: failures.map(describeFailure) } };
}

function describeFailure({ manager, error }: ManagerFailure): object {
  return { manager, error_msg: error.message };
}

function nameOf(ctx: { readonly params: Readonly<Record<string, string>> }): string {
  return ctx.params['name'] ?? '';
}

function audit(log: Logger, ctx: AdminContext, what: string): void {
  log.info(`audit: ${ctx.state.adminKey?.name ?? 'anyone'} asked for a ${what}`);
}
