import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, Plugin, PluginDefinition } from '@polygate/plugin-sdk';

/** Before every plugin that could do something to the request. */
const FIRST = 1_000_000;

/** Of a plugin that cannot be loaded: takes any conf, so that what has one is not served without it. */
export function standInDefinition(name: string): PluginDefinition {
  return { name, version: 0, priority: FIRST, schema: { type: 'object' } };
}

/** Refuses every request. */
export function standInPlugin(name: string, problem: string): Plugin {
  const reply: LocalReply = { status: 503, body: { message: `plugin ${name} is not available` } };
  return definePlugin<unknown>(standInDefinition(name), {
    rewrite: (ctx) => {
      ctx.log.error(`plugin [${name}] refuses the request, as it cannot be loaded: ${problem}`);
      return reply;
    },
  });
}
