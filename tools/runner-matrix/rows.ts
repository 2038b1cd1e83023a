import type { DemoConf } from './rewrite-demo.ts';
import type { MatrixGateway } from './matrix-gateway.ts';
import type { Outcome } from './outcome.ts';
import { ROWS_OF_ANSWERS } from './rows/answers.ts';
import { ROWS_OF_BODIES } from './rows/bodies.ts';
import { ROWS_OF_FAILURES } from './rows/failures.ts';
import { ROWS_OF_REWRITES } from './rows/rewrites.ts';
import { ROWS_OF_CROWDS } from './rows/crowds.ts';

/** An entry of `conf`: of the demo plugin, or as written. */
export type PluginEntry = DemoConf | { readonly name: string; readonly value: string };

/** One ability of a runner, seen from outside: a route, a request or more, and what comes of it. */
export interface Row {
  /** Confs of the demo plugin, of which the second is under the name `second-demo`. */
  readonly conf: readonly PluginEntry[];
  /** `ext-plugin-pre-req` unless told otherwise. */
  readonly plugin?: 'ext-plugin-pre-req' | 'ext-plugin-post-resp';
  /** More members of the plugin's conf. */
  readonly options?: object;
  /** Needs the gateway to itself, because it may take the runner with it. */
  readonly isAlone?: true;
  /** The runner comes back without being restarted by hand. */
  readonly isWaitedFor?: true;
  /** The route is there only while it is asked: its conf is handed to a runner ahead of all calls. */
  readonly isWrittenLate?: true;
  /** Routes beside the one of the row, by the end of their id. */
  readonly moreRoutes?: Readonly<Record<string, readonly PluginEntry[]>>;
  /** `url` is that of the row's route. */
  readonly ask: (url: string, gateway: MatrixGateway) => Promise<Outcome>;
  /** Of a runner without defects. */
  readonly outcome: Outcome;
}

/** All rows by name. The name is a sentence that goes on from the name of a runner. */
export const ROWS = {
  ...ROWS_OF_REWRITES,
  ...ROWS_OF_ANSWERS,
  ...ROWS_OF_BODIES,
  ...ROWS_OF_CROWDS,
  ...ROWS_OF_FAILURES,
} satisfies Readonly<Record<string, Row>>;

export type RowName = keyof typeof ROWS;
