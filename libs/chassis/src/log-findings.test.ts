import { expect, test } from 'vitest';
import { logFindings } from './log-findings.ts';

test('logFindings() gives each warning a line, and all keys without effect one', () => {
  const lines: string[] = [];
  const log = { warn: (line: string) => void lines.push(line) };
  logFindings({ warnings: ['a', 'b'], withoutEffect: ['x.y', 'z'] }, log);
  expect(lines).toEqual(['a', 'b', 'these keys have no effect here: x.y, z']);
  logFindings({ warnings: [], withoutEffect: [] }, log);
  expect(lines).toHaveLength(3);
});
