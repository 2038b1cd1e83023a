// rewrite: change the request before it is looked at further.
import { definePlugin } from '@polygate/plugin-sdk';

interface Conf {
  readonly from: string;
  readonly to: string;
}

export default definePlugin<Conf>(
  {
    name: 'move-path',
    version: 1,
    priority: 1007,
    schema: {
      type: 'object',
      properties: {
        from: { type: 'string', pattern: '^/', maxLength: 1024 },
        to: { type: 'string', pattern: '^/', maxLength: 1024 },
      },
      required: ['from', 'to'],
    },
  },
  {
    rewrite(ctx, { from, to }) {
      const { request } = ctx;
      const path = request.upstreamPath ?? request.path;
      if (!path.startsWith(from)) return;
      request.upstreamPath = to + path.slice(from.length);
      request.headers.set('X-Original-Path', path);
      // `debug` is for us: the upstream does not see it
      const args = request.getArguments();
      const kept = args.filter(({ name }) => name !== 'debug');
      if (kept.length < args.length) request.setArguments(kept);
    },
  },
);
