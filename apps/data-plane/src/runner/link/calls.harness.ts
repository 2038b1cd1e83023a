import { HeaderList } from '@polygate/plugin-sdk';
import type { ExtraInfoQuestion, RequestResult } from '@polygate/rpc';
import { encodeConf, encodeRequestCall } from '../frames/call-frames.ts';
import type { RunnerClient } from './runner-client.ts';

export interface AskOptions {
  readonly signal?: AbortSignal;
  readonly answer?: (
    question: ExtraInfoQuestion,
  ) => Buffer | undefined | Promise<Buffer | undefined>;
  readonly timeoutMs?: number;
  readonly retries?: number;
  readonly isLarge?: boolean;
}

/** A call about `GET <path>`, without anything around it. */
export function ask(
  client: RunnerClient,
  path = '/',
  options: AskOptions = {},
): Promise<RequestResult> {
  const { signal, answer, timeoutMs = 60_000, retries = 0, isLarge = false } = options;
  const conf = {
    conf: encodeConf({ key: 'route#1#ext-plugin-pre-req#1', plugins: [{ name: 'p', value: 'v' }] }),
    runner: '',
  };
  return new Promise((resolve, reject) => {
    client.send({
      answeredBy: 'requestResult',
      timeoutMs,
      retries,
      isLarge,
      get isAborted() {
        return signal?.aborted ?? false;
      },
      encode: (callId) =>
        encodeRequestCall(callId, conf, {
          method: 'GET',
          path,
          args: [],
          headers: HeaderList.fromRaw(['Accept', '*/*']),
          host: undefined,
          sourceIp: Buffer.from([127, 0, 0, 1]),
          timeoutMs,
          retries,
          traceparent: '',
          tracestate: '',
          known: undefined,
        }),
      answer: (question) => answer?.(question),
      onResult: (result) => {
        if (result.$case === 'requestResult') resolve(result.value);
        else reject(new Error(`answered by ${result.$case}`));
      },
      onError: reject,
    });
  });
}
