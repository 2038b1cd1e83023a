/**
 * What differs between two lists of lines: `-` only before, `+` only after, two spaces for both. By
 * the longest common subsequence; lists are short.
 */
export function lineDiff(before: readonly string[], after: readonly string[]): string[] {
  const common = commonLengths(before, after);
  const diff: string[] = [];
  let b = 0;
  let a = 0;
  while (b < before.length || a < after.length) {
    const old = before[b];
    const now = after[a];
    if (old !== undefined && old === now) {
      diff.push(`  ${old}`);
      b += 1;
      a += 1;
    } else if (old !== undefined && lengthAt(common, b + 1, a) >= lengthAt(common, b, a + 1)) {
      diff.push(`- ${old}`);
      b += 1;
    } else if (now !== undefined) {
      diff.push(`+ ${now}`);
      a += 1;
    } else {
      diff.push(`- ${old}`);
      b += 1;
    }
  }
  return diff;
}

/** `[b][a]`: of the longest common subsequence of what follows b and a. */
function commonLengths(before: readonly string[], after: readonly string[]): number[][] {
  const lengths = Array.from({ length: before.length + 1 }, () =>
    Array.from({ length: after.length + 1 }, () => 0),
  );
  for (let b = before.length - 1; b >= 0; b -= 1) {
    for (let a = after.length - 1; a >= 0; a -= 1) {
      (lengths[b] as number[])[a] =
        before[b] === after[a]
          ? lengthAt(lengths, b + 1, a + 1) + 1
          : Math.max(lengthAt(lengths, b + 1, a), lengthAt(lengths, b, a + 1));
    }
  }
  return lengths;
}

function lengthAt(lengths: readonly (readonly number[])[], b: number, a: number): number {
  return lengths[b]?.[a] ?? 0;
}
