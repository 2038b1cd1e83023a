import type { RuleResult } from './check-runner.ts';

const MARKS = { kept: 'ok    ', broken: 'BROKEN', skipped: 'skip  ' } as const;

/** One line a rule. */
export function resultLine({ id, level, result, sentence, seen }: RuleResult): string {
  const mark = result === 'broken' && level === 'should' ? 'weak  ' : MARKS[result];
  return `${mark} ${id.padEnd(24)} ${sentence}\n       ${' '.repeat(24)} ${seen}`;
}

/** The last line: how many of each, and what is missing to be sure. */
export function summary(results: readonly RuleResult[]): string {
  const count = (result: RuleResult['result'], level?: RuleResult['level']) =>
    results.filter((one) => one.result === result && (level ?? one.level) === one.level).length;
  const parts = [
    `${count('kept')} rules kept`,
    `${count('broken', 'must')} broken`,
    `${count('broken', 'should')} weak`,
  ];
  const skipped = count('skipped');
  if (skipped > 0) parts.push(`${skipped} NOT CHECKED`);
  return parts.join(', ');
}

/** A broken `must` fails the check; a skipped rule does not, but is said. */
export function isPassed(results: readonly RuleResult[]): boolean {
  return results.every(({ result, level }) => result !== 'broken' || level !== 'must');
}
