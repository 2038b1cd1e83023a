import type { RunnerLogLine } from '@polygate/rpc';
import type { RunnerLimits } from '../manager-options.ts';

type LogLimits = Pick<RunnerLimits, 'logLinesKeptMax' | 'logBytesKeptMax'>;
type OnLine = (line: RunnerLogLine) => void;

const NO_TRACE = '0'.repeat(32);
/** `00-<trace id>-<span id>-01`, wherever it stands. */
const TRACEPARENT = /\b[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\b/;
/** `trace_id=…`, `"traceId":"…"`, `trace.id: …` */
const NAMED_TRACE_ID = /trace[_.-]?id["']?\s{0,4}[:=]\s{0,4}["']?([0-9a-f]{32})\b/i;

/** What the instances of a pool wrote lately. */
export class PoolLog {
  readonly #limits: LogLimits;
  readonly #lines: RunnerLogLine[] = [];
  readonly #listeners = new Set<OnLine>();
  #bytes = 0;

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  write(index: number, text: string, isError: boolean): RunnerLogLine {
    const line = { atMs: Date.now(), index, isError, text, traceId: traceIdOf(text) };
    this.#lines.push(line);
    this.#bytes += text.length;
    const { logLinesKeptMax, logBytesKeptMax } = this.#limits;
    while (this.#lines.length > logLinesKeptMax || this.#bytes > logBytesKeptMax) {
      this.#bytes -= this.#lines.shift()?.text.length ?? this.#bytes;
    }
    for (const onLine of this.#listeners) onLine(line);
    return line;
  }

  /** Until the answer is called. */
  watch(onLine: OnLine): () => void {
    const listener: OnLine = (line) => onLine(line);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Oldest first. */
  lines(): readonly RunnerLogLine[] {
    return [...this.#lines];
  }
}

/** 32 hex digits that the line calls a trace id; empty where there are none. */
export function traceIdOf(text: string): string {
  const id = (TRACEPARENT.exec(text) ?? NAMED_TRACE_ID.exec(text))?.[1]?.toLowerCase() ?? '';
  return id === NO_TRACE ? '' : id;
}
