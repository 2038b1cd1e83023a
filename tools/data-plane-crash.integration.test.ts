// Data planes are killed while the configuration is written: those that live go on serving it, and one
// that comes back serves all that was acknowledged.
import { hasEtcd } from '@polygate/testing';
import { expect, test } from 'vitest';
import { Stack, until } from './three-services.fixture.ts';

const WRITERS = 3;
const KILLS = 2;

test.skipIf(!hasEtcd())(
  'no acknowledged write is lost when data planes are killed',
  async () => {
    const stack = await Stack.start(undefined);
    const acknowledged = new Map<number, number>();
    let last = 0;
    let isStopped = false;
    /** A route whose answer is the number of its last write. */
    const writeOnce = async (writer: number): Promise<void> => {
      const n = ++last;
      const mocking = { response_example: String(n), content_type: 'text/plain' };
      const { status } = await stack.admin('PUT', `/routes/w${writer}`, {
        uri: `/w${writer}`,
        plugins: { mocking },
      });
      if (status < 300) acknowledged.set(writer, n);
    };
    const write = async (writer: number): Promise<void> => {
      while (!isStopped) await writeOnce(writer);
    };
    /** What is served, and at least as new as what had been acknowledged before. */
    const expectAcknowledged = async (gateway: string): Promise<void> => {
      for (const [writer, n] of new Map(acknowledged)) {
        const served = async () => {
          const answer = await fetch(`${gateway}/w${writer}`).then(
            (response) => response.text(),
            () => '0',
          );
          return Number(answer);
        };
        await until(async () => (await served()) >= n);
      }
    };
    const writing: Promise<void>[] = [];
    try {
      const steady = stack.gateway;
      await stack.startDataPlane('another-data-plane');
      writing.push(...Array.from({ length: WRITERS }, (_, writer) => write(writer)));
      await until(async () => Promise.resolve(acknowledged.size === WRITERS));
      for (let kill = 0; kill < KILLS; kill++) {
        await stack.dataPlane.stop('SIGKILL');
        const atKill = last;
        await expectAcknowledged(steady);
        await stack.startDataPlane('another-data-plane');
        await expectAcknowledged(stack.gateway);
        await until(async () => Promise.resolve(last > atKill + WRITERS));
      }
      isStopped = true;
      await Promise.all(writing);
      await expectAcknowledged(steady);
      await expectAcknowledged(stack.gateway);
      const final = await Promise.all(
        [...acknowledged.keys()].map(async (writer) => {
          const answers = [steady, stack.gateway].map((gateway) => fetch(`${gateway}/w${writer}`));
          return Promise.all((await Promise.all(answers)).map((response) => response.text()));
        }),
      );
      for (const [one, other] of final) expect(one).toBe(other);
    } finally {
      isStopped = true;
      await Promise.all(writing);
      await stack.stop();
    }
  },
  120_000,
);
