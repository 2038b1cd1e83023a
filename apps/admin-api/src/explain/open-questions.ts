import type { Explanation } from '@polygate/rpc';

/** What came of a question to one data plane. */
export type Answered =
  | { readonly kind: 'document'; readonly text: string }
  /** The data plane says why it has no answer, or it went away. */
  | { readonly kind: 'failure'; readonly reason: string }
  | { readonly kind: 'late' }
  | { readonly kind: 'busy' };

interface OpenQuestion {
  readonly timer: NodeJS.Timeout;
  readonly settle: (answered: Answered) => void;
}

/** Questions that one data plane has not answered yet, `questionsMax` of them. */
export class OpenQuestions {
  readonly #open = new Map<number, OpenQuestion>();
  readonly #questionsMax: number;
  #lastId = 0;

  constructor(questionsMax = 16) {
    this.#questionsMax = questionsMax;
  }

  /** Never rejects. `send` gets the number that the answer will carry. */
  ask(send: (questionId: number) => void, timeoutMs: number): Promise<Answered> {
    if (this.#open.size >= this.#questionsMax) return Promise.resolve({ kind: 'busy' });
    this.#lastId = (this.#lastId + 1) % 0xffff_ffff;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const settle = (answered: Answered): void => {
        clearTimeout(timer);
        this.#open.delete(id);
        resolve(answered);
      };
      const timer = setTimeout(() => settle({ kind: 'late' }), timeoutMs);
      this.#open.set(id, { timer, settle });
      send(id);
    });
  }

  /** What nobody asked, or asked too long ago, is left alone. */
  answer({ questionId, outcome }: Explanation): void {
    const question = this.#open.get(questionId);
    if (outcome?.$case === 'document') question?.settle({ kind: 'document', text: outcome.value });
    else question?.settle({ kind: 'failure', reason: outcome?.value ?? 'an empty answer' });
  }

  failAll(reason: string): void {
    for (const { settle } of [...this.#open.values()]) settle({ kind: 'failure', reason });
  }
}
