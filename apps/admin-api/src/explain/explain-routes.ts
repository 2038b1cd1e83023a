import Router from '@koa/router';
import type { Middleware } from 'koa';
import { type Answer, refusal } from '../answer.ts';
import { readJsonBody } from '../body/request-body.ts';
import type { ControlService } from '../control/control-service.ts';
import { type AdminState, respond } from '../middleware/admin-state.ts';
import { readQuestion } from './read-question.ts';

export const EXPLAIN_PATH = '/apisix/admin/polygate/explain';
const TIMEOUT_MS = 5000;

/**
 * `POST /apisix/admin/polygate/explain`: a connected data plane answers what would become of a
 * request. Nothing changes and nothing is sent, so viewers may ask, too.
 */
export function explainRoutes(control: ControlService): Middleware<AdminState> {
  const router = new Router<AdminState>();
  router.post(EXPLAIN_PATH, async (ctx) => {
    const body = await readJsonBody(ctx.req);
    respond(ctx, body.ok ? await explain(body.value, control) : body.answer);
  });
  return router.routes() as Middleware<AdminState>;
}

async function explain(body: unknown, control: ControlService): Promise<Answer> {
  const read = readQuestion(body);
  if ('status' in read) return read;
  const { question, dataPlane } = read;
  const asked = control.explain(question, { instanceId: dataPlane, timeoutMs: TIMEOUT_MS });
  if (asked === undefined) {
    if (dataPlane !== undefined) return refusal(404, `no data plane ${dataPlane} is connected`);
    return refusal(
      503,
      'no data plane is connected: there is nobody who could explain the request',
    );
  }
  const answered = await asked.answered;
  switch (answered.kind) {
    case 'document':
      return { status: 200, body: documentOf(answered.text, asked.instanceId) };
    case 'failure':
      return refusal(502, `data plane ${asked.instanceId} cannot explain it: ${answered.reason}`);
    case 'late':
      return refusal(504, `data plane ${asked.instanceId} did not answer within ${TIMEOUT_MS} ms`);
    case 'busy':
      return refusal(429, `data plane ${asked.instanceId} has too many questions open`);
  }
}

/** The document is JSON already, and an object. */
function documentOf(text: string, instanceId: string): object {
  return { data_plane: instanceId, ...(JSON.parse(text) as object) };
}
