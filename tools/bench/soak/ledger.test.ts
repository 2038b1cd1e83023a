import { describe, expect, test } from 'vitest';
import { Ledger } from './ledger.ts';

describe('Ledger', () => {
  test('finds answered requests that the log has not', () => {
    const ledger = new Ledger();
    const [kept, lost] = [ledger.newId(), ledger.newId()];
    ledger.answered(kept, 200);
    ledger.answered(lost, 502);
    expect(ledger.compare([`${kept} 200`])).toMatchObject({ answered: 2, lost: [lost] });
  });

  test('finds requests that the log has twice, answered or not', () => {
    const ledger = new Ledger();
    const [answered, unsure] = [ledger.newId(), ledger.newId()];
    ledger.answered(answered, 200);
    const verdict = ledger.compare([answered, unsure, unsure, answered].map((id) => `${id} 200`));
    expect(verdict.repeated).toEqual([answered, unsure]);
  });

  test('leaves it open whether what got no answer, or was refused, is in the log', () => {
    const ledger = new Ledger();
    ledger.newId();
    ledger.answered(ledger.newId(), 408);
    expect(ledger.compare([])).toMatchObject({ unsure: 1, refused: 1, lost: [], repeated: [] });
  });

  test('finds ids that were never sent, and counts lines without one apart', () => {
    expect(new Ledger().compare(['s9 200', '- 400', '- 408'])).toMatchObject({
      strange: ['s9'],
      anonymousLines: 2,
    });
  });
});
