import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineExternalPlugin } from '@polygate/plugin-runner';
import type { PluginRequest, StopReply } from '@polygate/plugin-runner';

type Values = Readonly<Record<string, string>>;

/** What is left out is not done. The plugins of the other runners (libs/testing/runners) do the same. */
export interface DemoConf {
  /** Set on the request, or deleted where the value is empty. */
  readonly set_headers?: Values;
  readonly path?: string;
  /** Set on the query, or deleted where the value is empty. */
  readonly set_args?: Values;
  /** Asked for; each goes to the request header `X-Var-<name>`. */
  readonly vars?: readonly string[];
  /** Asks for the body; its length and SHA-256 go to X-Body-Bytes and X-Body-Sha256. */
  readonly digest_body?: boolean;
  /** Replaces the request body. */
  readonly body?: string;
  /** Set on the response: also of a request that goes on, where the runner can. */
  readonly response_headers?: Values;
  readonly stop_status?: number;
  readonly stop_headers?: Values;
  readonly stop_body?: string;
  /** Length of a body of `x` in place of `stop_body`. */
  readonly stop_bytes?: number;
  /** A request header whose value goes to X-Echo. */
  readonly echo_header?: string;
  /** Passes before anything else; then comes `kill` (SIGKILL to the runner), then `raise`. */
  readonly sleep_ms?: number;
  readonly kill?: boolean;
  readonly raise?: string;
  /** In the response phase. */
  readonly status?: number;
  readonly append_body?: string;
}

const demo = (name: string) =>
  defineExternalPlugin({
    name,
    prepare: (value) => JSON.parse(value) as DemoConf,
    async request(request, conf) {
      await disturb(conf);
      if (conf.stop_status !== undefined) return stop(conf, conf.stop_status);
      for (const variable of conf.vars ?? []) {
        request.headers.set(`X-Var-${variable}`, (await request.variable(variable)) ?? '');
      }
      if (conf.digest_body === true) {
        const body = await request.body();
        request.headers.set('X-Body-Bytes', String(body.length));
        request.headers.set('X-Body-Sha256', createHash('sha256').update(body).digest('hex'));
      }
      rewrite(conf, request);
      return undefined;
    },
    async response(response, conf) {
      await disturb(conf);
      for (const [header, value] of Object.entries(conf.response_headers ?? {})) {
        response.headers.set(header, value);
      }
      if (conf.status !== undefined) response.status = conf.status;
      if (conf.append_body !== undefined) {
        response.setBody(Buffer.concat([await response.body(), Buffer.from(conf.append_body)]));
      }
    },
  });

export default [demo('rewrite-demo'), demo('second-demo')];

async function disturb({ sleep_ms, kill, raise }: DemoConf): Promise<void> {
  if (sleep_ms !== undefined) await sleep(sleep_ms);
  if (kill === true) process.kill(process.pid, 'SIGKILL');
  if (raise !== undefined) throw new Error(raise);
}

function stop({ stop_headers, stop_body, stop_bytes }: DemoConf, status: number): StopReply {
  const body = stop_bytes === undefined ? (stop_body ?? '') : Buffer.alloc(stop_bytes, 'x');
  return { status, headers: stop_headers ?? {}, body };
}

function rewrite(conf: DemoConf, request: PluginRequest): void {
  if (conf.echo_header !== undefined) {
    request.headers.set('X-Echo', request.headers.get(conf.echo_header) ?? '');
  }
  for (const [header, value] of Object.entries(conf.set_headers ?? {})) {
    if (value === '') request.headers.delete(header);
    else request.headers.set(header, value);
  }
  for (const [name, value] of Object.entries(conf.set_args ?? {})) {
    if (value === '') request.args.delete(name);
    else request.args.set(name, value);
  }
  for (const [header, value] of Object.entries(conf.response_headers ?? {})) {
    request.setResponseHeader(header, value);
  }
  if (conf.path !== undefined) request.path = conf.path;
  if (conf.body !== undefined) request.setBody(conf.body);
}
