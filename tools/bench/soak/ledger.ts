/** What is known of one request that was sent. */
type Fate =
  /** An answer began to arrive: it must be in the access log once. */
  | 'answered'
  /** No answer was seen: the gateway may have met it or not. */
  | 'unsure'
  /** Refused with a status that is also given to what is no request: it may be there or not. */
  | 'refused';

export interface LogVerdict {
  readonly answered: number;
  readonly unsure: number;
  readonly refused: number;
  /** Answered, and not in the log. */
  readonly lost: readonly string[];
  /** More than once in the log. */
  readonly repeated: readonly string[];
  /** In the log, and never sent. */
  readonly strange: readonly string[];
  /** Lines without an id: what was refused before it was a request. */
  readonly anonymousLines: number;
}

/** 400, 408, 413, 414, 431: a head or a body that did not become a request, or only half. */
const REFUSALS: ReadonlySet<number> = new Set([400, 408, 413, 414, 431]);

/** Remembers every request of a soak by its id, to be compared with the access log. */
export class Ledger {
  readonly #fates = new Map<string, Fate>();
  readonly #statuses = new Map<number, number>();
  #next = 1;

  get sent(): number {
    return this.#fates.size;
  }

  /** Status → how often. 0: no answer. */
  get statuses(): ReadonlyMap<number, number> {
    return this.#statuses;
  }

  /** For the query of a request that is about to be sent. */
  newId(): string {
    const id = `s${this.#next++}`;
    this.#fates.set(id, 'unsure');
    return id;
  }

  answered(id: string, status: number): void {
    this.#fates.set(id, REFUSALS.has(status) ? 'refused' : 'answered');
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
  }

  /** `lines`: an id and a status each, `-` for no id. */
  compare(lines: readonly string[]): LogVerdict {
    const seen = new Map<string, number>();
    let anonymousLines = 0;
    for (const line of lines) {
      const [id = '-'] = line.split(' ');
      if (id === '-' || id === '') anonymousLines++;
      else seen.set(id, (seen.get(id) ?? 0) + 1);
    }
    const of = (fate: Fate): string[] =>
      [...this.#fates].filter(([, one]) => one === fate).map(([id]) => id);
    return {
      answered: of('answered').length,
      unsure: of('unsure').length,
      refused: of('refused').length,
      lost: of('answered').filter((id) => !seen.has(id)),
      repeated: [...seen].filter(([, count]) => count > 1).map(([id]) => id),
      strange: [...seen.keys()].filter((id) => !this.#fates.has(id)),
      anonymousLines,
    };
  }
}
