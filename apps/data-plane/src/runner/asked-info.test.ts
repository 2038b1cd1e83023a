import type { ExtraInfoQuestion } from '@polygate/rpc';
import { describe, expect, test } from 'vitest';
import { AskedInfo } from './asked-info.ts';

const variable = (name: string): ExtraInfoQuestion => ({
  info: { $case: 'variable', value: { name } },
});
const requestBody: ExtraInfoQuestion = { info: { $case: 'requestBody', value: {} } };
const responseBody: ExtraInfoQuestion = { info: { $case: 'responseBody', value: {} } };

function callsUntilProbe(asked: AskedInfo): number {
  for (let calls = 1; calls < 10_000; calls++) if (asked.isProbe()) return calls;
  throw new Error('there is no probe');
}

describe('AskedInfo', () => {
  test('remembers what was asked for, each once', () => {
    const asked = new AskedInfo();
    expect(asked.isEmpty).toBe(true);
    for (const question of [variable('a'), variable('b'), variable('a'), requestBody]) {
      asked.note(question);
    }
    expect(asked).toMatchObject({
      variables: ['a', 'b'],
      requestBody: true,
      responseBody: false,
      isEmpty: false,
    });
    asked.note(responseBody);
    expect(asked.responseBody).toBe(true);
  });

  test('is bounded', () => {
    const asked = new AskedInfo();
    for (let i = 0; i < 1000; i++) asked.note(variable(`v${i}`));
    expect(asked.variables).toHaveLength(16);
  });

  test('has a call go without now and then, and forgets what that one does not ask for', () => {
    const asked = new AskedInfo();
    for (const question of [variable('a'), variable('b'), requestBody]) asked.note(question);
    const first = callsUntilProbe(asked);
    expect(first).toBeGreaterThan(10);
    asked.keepOnly([variable('b')]);
    expect(asked).toMatchObject({ variables: ['b'], requestBody: false });
    expect(callsUntilProbe(asked)).toBe(first);
    asked.keepOnly([]);
    expect(asked.isEmpty).toBe(true);
  });

  test('needs no such call where nothing is asked for', () => {
    const asked = new AskedInfo();
    for (let i = 0; i < 10_000; i++) expect(asked.isProbe()).toBe(false);
  });
});
