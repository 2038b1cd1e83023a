import type { DemoConf } from './rewrite-demo.ts';
import type { Outcome } from './outcome.ts';
import type { Row, RowName } from './rows.ts';

/** Where a runner does not do as a row says, by a defect or a gap of its own. */
export interface Cell {
  readonly because: string;
  /** What comes of it instead, or one of several where it is a matter of luck. */
  readonly outcomes: readonly Outcome[];
}

/** A runner of the matrix. */
export interface MatrixRunner {
  readonly name: string;
  /** Answers false, with a line on stderr, where it cannot be had. */
  readonly isHere: () => boolean;
  /** Builds what has to be built, and answers its command. */
  readonly prepare: () => string[] | Promise<string[]>;
  /** What the demo plugin with this conf is called; `rewrite-demo` where there is only one. */
  readonly pluginFor?: (conf: DemoConf, phase: Row['plugin']) => string;
  readonly cells: Readonly<Partial<Record<RowName, Cell>>>;
}
