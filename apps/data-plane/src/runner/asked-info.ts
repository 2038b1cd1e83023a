import type { ExtraInfoQuestion } from '@polygate/rpc';

/** Variables remembered of one conf; further ones are asked for each time. */
const VARIABLES_MAX = 16;
/** So often a call is sent with nothing known, to see what plugins still ask for. */
const PROBE_EVERY_CALLS = 200;

/**
 * What the plugins of one conf asked for in earlier calls, so that it travels with the next one: a
 * question costs a way there and back. The manager does not tell which of it was used, therefore a
 * call now and then goes without, and what that one does not ask for is forgotten.
 */
export class AskedInfo {
  #variables: readonly string[] = [];
  #requestBody = false;
  #responseBody = false;
  #callsUntilProbe = PROBE_EVERY_CALLS;

  get variables(): readonly string[] {
    return this.#variables;
  }

  get requestBody(): boolean {
    return this.#requestBody;
  }

  get responseBody(): boolean {
    return this.#responseBody;
  }

  get isEmpty(): boolean {
    return this.#variables.length === 0 && !this.#requestBody && !this.#responseBody;
  }

  /** For each call: whether it goes without, and `keepOnly` is to be called with its questions. */
  isProbe(): boolean {
    if (this.isEmpty) return false;
    this.#callsUntilProbe--;
    if (this.#callsUntilProbe > 0) return false;
    this.#callsUntilProbe = PROBE_EVERY_CALLS;
    return true;
  }

  note({ info }: ExtraInfoQuestion): void {
    switch (info?.$case) {
      case 'variable':
        return this.#noteVariable(info.value.name);
      case 'requestBody':
        this.#requestBody = true;
        return;
      case 'responseBody':
        this.#responseBody = true;
        return;
      case undefined:
    }
  }

  /** A call that nothing was sent with has asked for this, and for no more. */
  keepOnly(questions: readonly ExtraInfoQuestion[]): void {
    this.#variables = [];
    this.#requestBody = false;
    this.#responseBody = false;
    for (const question of questions) this.note(question);
  }

  #noteVariable(name: string): void {
    if (this.#variables.length >= VARIABLES_MAX || this.#variables.includes(name)) return;
    this.#variables = [...this.#variables, name];
  }
}
