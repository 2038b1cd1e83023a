// access: let a request pass, or answer it. `prepare` does once what no request should do.
import { compilePattern, definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply } from '@polygate/plugin-sdk';

interface Conf {
  readonly header: string;
  readonly pattern: string;
}

interface Prepared {
  readonly header: string;
  readonly matches: (value: string) => boolean;
  readonly refusal: LocalReply;
}

export default definePlugin<Conf, Prepared>(
  {
    name: 'require-header',
    version: 1,
    priority: 2000,
    schema: {
      type: 'object',
      properties: {
        header: { type: 'string', minLength: 1, maxLength: 100 },
        pattern: { type: 'string', maxLength: 200, default: '.' },
      },
      required: ['header'],
    },
    // what JSON Schema cannot say: the Admin API answers 400 with this error's message
    check: ({ pattern }) => void compilePattern(pattern),
  },
  {
    prepare({ header, pattern }) {
      const compiled = compilePattern(pattern);
      return {
        header,
        matches: (value) => compiled.test(value),
        refusal: { status: 403, body: { message: `header ${header} is missing or wrong` } },
      };
    },

    access(ctx, { header, matches, refusal }) {
      const value = ctx.request.headers.get(header);
      return value !== undefined && matches(value) ? undefined : refusal;
    },
  },
);
