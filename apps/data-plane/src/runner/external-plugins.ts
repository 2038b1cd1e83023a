import type { TraceHeaders } from '@polygate/chassis';
import { GatewayError } from '@polygate/plugin-sdk';
import type {
  ExternalConf,
  ExternalPlugins,
  LocalReply,
  RequestContext,
} from '@polygate/plugin-sdk';
import type { ExtraInfoQuestion } from '@polygate/rpc';
import { applyResult } from './apply-result.ts';
import { buildRequestCall } from './request-call.ts';
import type { RunnerClient } from './runner-client.ts';
import { headerTextBytes } from './wire-text.ts';

/** A frame of the runner protocol holds no more, so a longer body cannot reach a runner. */
const BODY_BYTES_MAX = 0xff_ffff;

export interface ExternalPluginsOptions {
  /** The span that the runner's work belongs to; undefined when the request is not traced. */
  readonly traceContext?: (ctx: RequestContext) => TraceHeaders | undefined;
}

/**
 * External plugins over a runner manager: shows the request to the runner and applies what it
 * wants, as APISIX does (`ext-plugin/init.lua`, `rpc_handlers`). One difference: where APISIX
 * answers a failed body read with "no body", which lets the request past a plugin that inspects
 * bodies, the call fails here, with the error of `readBody`.
 */
export function createExternalPlugins(
  client: RunnerClient,
  options: ExternalPluginsOptions = {},
): ExternalPlugins {
  return {
    async handleRequest(ctx: RequestContext, conf: ExternalConf): Promise<LocalReply | undefined> {
      const call = buildRequestCall(ctx, conf, options.traceContext?.(ctx));
      const result = await client.handleRequest(call, {
        signal: ctx.signal,
        answer: (question) => answerQuestion(ctx, question),
      });
      return applyResult(ctx, result);
    },
  };
}

async function answerQuestion(
  ctx: RequestContext,
  question: ExtraInfoQuestion,
): Promise<Buffer | undefined> {
  switch (question.info?.$case) {
    case 'variable':
      return variableBytes(ctx, question.info.value.name);
    case 'requestBody': {
      const body = await ctx.request.readBody();
      if (body !== undefined && body.length > BODY_BYTES_MAX) {
        throw new GatewayError(
          'RUNNER_FAILED',
          `the max length of data is ${BODY_BYTES_MAX} but got ${body.length}`,
        );
      }
      return body;
    }
    case 'responseBody':
      // There is no response yet; APISIX answers with an empty result too.
      return undefined;
    case undefined:
      throw new GatewayError('RUNNER_FAILED', 'the runner asked for something unknown');
  }
}

function variableBytes(ctx: RequestContext, name: string): Buffer | undefined {
  const value = ctx.vars.get(name);
  if (value === undefined) return undefined;
  return /^(?:http|cookie)_/.test(name) ? headerTextBytes(value) : Buffer.from(value);
}
