import type { RunnerLogLine } from '@polygate/rpc';
import { expect, test } from 'vitest';
import { PoolLog, traceIdOf } from './pool-log.ts';

const ID = '0af7651916cd43dd8448eb211c80319c';

test.each([
  [`traceparent: 00-${ID}-b7ad6b7169203331-01 done`, ID],
  [`level=info trace_id=${ID} msg=x`, ID],
  [`{"traceId":"${ID.toUpperCase()}"}`, ID],
  [`{"trace.id" : "${ID}"}`, ID],
  [`md5 ${ID}`, ''],
  [`trace_id=${ID}0`, ''],
  [`trace_id=${'0'.repeat(32)}`, ''],
  ['', ''],
])('of %j the trace id is %j', (line, id) => {
  expect(traceIdOf(line)).toBe(id);
});

test('the last lines are kept, up to a number and a size', () => {
  const log = new PoolLog({ logLinesKeptMax: 3, logBytesKeptMax: 10 });
  for (const text of ['1', '2', '3', '4']) log.write(0, text, false);
  expect(log.lines().map(({ text }) => text)).toEqual(['2', '3', '4']);
  log.write(1, '123456789', true);
  expect(log.lines()).toMatchObject([
    { text: '4', isError: false, index: 0 },
    { text: '123456789', isError: true, index: 1 },
  ]);
  log.write(0, '12345678901', false);
  expect(log.lines()).toEqual([]);
});

test('who watches gets each line, until he stops', () => {
  const log = new PoolLog({ logLinesKeptMax: 1, logBytesKeptMax: 100 });
  const seen: RunnerLogLine[] = [];
  const stop = log.watch((line) => seen.push(line));
  log.write(0, 'one', false);
  log.write(0, 'two', false);
  stop();
  log.write(0, 'three', false);
  expect(seen.map(({ text }) => text)).toEqual(['one', 'two']);
});
