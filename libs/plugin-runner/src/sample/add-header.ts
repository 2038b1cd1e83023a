import { defineExternalPlugin } from '../external-plugin.ts';

const DEFAULT_HEADERS = { 'X-Runner': 'typescript' };

/**
 * Sets request headers. The conf is a JSON object of names and values; an empty one, or none, sets
 * `X-Runner: typescript`.
 */
export default defineExternalPlugin({
  name: 'add-header',
  schema: { type: 'object', additionalProperties: { type: 'string' } },
  prepare: (conf) => Object.entries(Object.keys(conf).length === 0 ? DEFAULT_HEADERS : conf),
  request(ctx, headers) {
    for (const [name, value] of headers) ctx.headers.set(name, value);
  },
});
