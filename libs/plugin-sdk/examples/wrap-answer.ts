// response: the upstream has answered, nothing is sent yet; the body can be read and replaced.
import { definePlugin } from '@polygate/plugin-sdk';

interface Conf {
  readonly bytes_max: number;
}

export default definePlugin<Conf>(
  {
    name: 'wrap-answer',
    version: 1,
    priority: 900,
    schema: {
      type: 'object',
      properties: {
        bytes_max: { type: 'integer', minimum: 1, maximum: 16_777_216, default: 1_048_576 },
      },
    },
  },
  {
    async response(ctx, { bytes_max }) {
      const { response } = ctx;
      if (response.headers.get('Content-Type')?.startsWith('application/json') !== true) return;
      const body = await response.readBody(bytes_max);
      let data: unknown;
      try {
        data = JSON.parse(body.toString());
      } catch {
        // a reply takes the place of the upstream's answer
        return { status: 502, body: { message: 'the upstream sent broken JSON' } };
      }
      response.setBody(Buffer.from(JSON.stringify({ status: response.status, data })));
      return undefined;
    },
  },
);
