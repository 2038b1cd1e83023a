/** What of V8's CPU profile is read. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  /** A node each. */
  readonly samples: readonly number[];
}

export interface SelfTime {
  /** Function and place. */
  readonly name: string;
  /** Of the time in which the thread was not idle. */
  readonly percent: number;
}

/** Begins and ends the recording itself. */
const RECORDER = 'node:inspector';

/**
 * Most first. Samples are counted, and not the time between them: that would lay the time in which
 * another process had the core to whatever function was interrupted.
 */
export function selfTimes({ nodes, samples }: CpuProfile): SelfTime[] {
  const nameOf = new Map(
    nodes
      .filter(({ callFrame }) => callFrame.functionName !== '(idle)' && callFrame.url !== RECORDER)
      .map(({ id, callFrame }) => [id, frameName(callFrame)]),
  );
  const counts = new Map<string, number>();
  let total = 0;
  for (const id of samples) {
    const name = nameOf.get(id);
    if (name === undefined) continue;
    total++;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .map(([name, count]) => ({ name, percent: (count / total) * 100 }))
    .sort((a, b) => b.percent - a.percent);
}

function frameName({
  functionName,
  url,
  lineNumber,
}: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  return `${name}  ${url.split('/').slice(-3).join('/')}:${lineNumber + 1}`;
}
