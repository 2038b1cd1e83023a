import type { Logger, Variables } from '@polygate/plugin-sdk';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import { formatTime } from './format-time.ts';

/** `{%Y.%m.%d}`; `${name}` is a variable. */
const TIME = /(?<!\$)\{([^}]*)\}/g;

/**
 * The name of an index with the time and variables in it: `services-{%Y.%m.%d}-$host`. Times are put in
 * first, once a second. Source: resolve_index_vars of apisix/plugins/elasticsearch-logger.lua.
 */
export class IndexName {
  readonly #written: string;
  readonly #log: Pick<Logger, 'error'>;
  readonly #hasTime: boolean;
  #second = 0;
  #timed: string;
  #template: VariableTemplate;

  constructor(written: string, log: Pick<Logger, 'error'>) {
    this.#written = written;
    this.#log = log;
    this.#hasTime = written.search(TIME) !== -1;
    this.#timed = written;
    this.#template = compileTemplate(written);
  }

  resolve(vars: Variables, nowMs = Date.now()): string {
    const second = Math.floor(nowMs / 1000);
    if (this.#hasTime && second !== this.#second) {
      this.#second = second;
      this.#putTime(new Date(nowMs));
    }
    return this.#template.render(vars);
  }

  #putTime(now: Date): void {
    const timed = this.#written.replace(TIME, (_, format: string) => {
      const text = formatTime(format, now);
      if (text === undefined) this.#log.error(`failed to parse time format: ${format}`);
      return text ?? '';
    });
    if (timed === this.#timed) return;
    this.#timed = timed;
    this.#template = compileTemplate(timed);
  }
}
