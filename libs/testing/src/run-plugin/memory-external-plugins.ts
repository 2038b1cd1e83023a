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
  /** Prepared and not released. */
  readonly held: readonly ExternalConf[];
}

/** A runner inside the test: `runner` does what the real one would; throw to make it fail. */
export function memoryExternalPlugins(runner: Runner = () => undefined): MemoryExternalPlugins {
  const calls: ExternalConf[] = [];
  const held: ExternalConf[] = [];
  return {
    calls,
    held,
    prepare(conf) {
      held.push(conf);
      const handle = async (ctx: RequestContext): Promise<LocalReply | undefined> => {
        calls.push(conf);
        return await runner(ctx, conf);
      };
      return {
        handleRequest: handle,
        keepRequestBody: () => undefined,
        handleResponse: async (ctx) => void (await handle(ctx)),
        release: () => void held.splice(held.indexOf(conf), 1),
      };
    },
  };
}
