import type {
  ExternalConf,
  ExternalPlugins,
  LocalReply,
  RequestContext,
} from '@polygate/plugin-sdk';

type Runner = (
  ctx: RequestContext,
  conf: ExternalConf,
) => LocalReply | undefined | Promise<LocalReply | undefined>;

export interface MemoryExternalPlugins extends ExternalPlugins {
  /** The confs of every call so far, in order. */
  readonly calls: readonly ExternalConf[];
}

/** A runner inside the test: `runner` does what the real one would; throw to make it fail. */
export function memoryExternalPlugins(runner: Runner = () => undefined): MemoryExternalPlugins {
  const calls: ExternalConf[] = [];
  return {
    calls,
    async handleRequest(ctx, conf) {
      calls.push(conf);
      return await runner(ctx, conf);
    },
  };
}
