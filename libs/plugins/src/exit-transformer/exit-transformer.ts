import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, Logger } from '@polygate/plugin-sdk';
import { loadSandbox, Sandbox } from '../serverless-pre-function/sandbox.ts';
import { valueText } from '../serverless-pre-function/value-text.ts';
import { definition, type ExitTransformerConf } from './exit-transformer.schema.ts';

/** Runs in the sandbox: the function gets status, body and headers, and answers all three. */
const PRELUDE = `() => (input, run) => {
  const answer = run(...JSON.parse(input));
  return Array.isArray(answer) ? JSON.stringify(answer) : undefined;
}`;
const NAME = /^[!#$%&'*+.^_\`|~0-9A-Za-z-]+$/;
const NOT_IN_VALUE = /[\0-\x08\x0a-\x1f\x7f]/;

/** Lets functions change the answers that the gateway itself gives. */
export default definePlugin<ExitTransformerConf, Sandbox>(definition, {
  prepare({ functions }, { settings, log }) {
    if (functions.length > 0 && !settings.serverlessJavaScript) {
      throw new Error('functions are switched off');
    }
    loadSandbox()?.catch((error: unknown) => log.error(`no sandbox: ${String(error)}`));
    return new Sandbox(functions, PRELUDE);
  },

  dispose: (sandbox) => sandbox.close(),

  rewrite(ctx, sandbox) {
    const apply = (): undefined => {
      for (let i = 0; i < sandbox.count; i++) {
        ctx.onReply((reply) => changed(reply, sandbox, i, ctx.log));
      }
    };
    const loading = loadSandbox();
    return loading === undefined ? apply() : loading.then(apply);
  },
});

/** A function that fails leaves the answer as it was. */
function changed(reply: LocalReply, sandbox: Sandbox, index: number, log: Logger): LocalReply {
  if (reply.stream !== undefined) return reply;
  const body = reply.body instanceof Uint8Array ? Buffer.from(reply.body).toString() : reply.body;
  const input = JSON.stringify([reply.status, body ?? null, reply.headers ?? {}]);
  const { value, error } = sandbox.call(index, input, () => undefined);
  if (error !== undefined || value === undefined) {
    log.error(`failed to run the function: ${error ?? 'it answered no list'}`);
    return reply;
  }
  const answer = replyOf(JSON.parse(value) as unknown[]);
  if (answer !== undefined) return answer;
  log.error('failed to run the function: it answered no status, body and headers');
  return reply;
}

/** Undefined for what is no answer. */
function replyOf([status, body, headers]: readonly unknown[]): LocalReply | undefined {
  if (!Number.isInteger(status) || Number(status) < 200 || Number(status) > 999) return undefined;
  const entries = Object.entries(
    typeof headers === 'object' && headers !== null ? headers : {},
  ).map(
    ([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)] as const,
  );
  const isValid = entries.every(
    ([name, value]) => NAME.test(name) && [value].flat().every((one) => !NOT_IN_VALUE.test(one)),
  );
  if (!isValid) return undefined;
  return {
    status: Number(status),
    headers: Object.fromEntries(entries),
    ...(body !== null &&
      body !== undefined && {
        body: typeof body === 'object' ? body : valueText(body),
      }),
  };
}
