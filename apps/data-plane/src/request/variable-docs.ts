import { SSL_VARIABLE_NAMES } from '../tls/ssl-variables.ts';
import { PREFIXES } from './variable-prefixes.ts';
import { VARIABLES } from './variable-table.ts';

interface DescribedVariable {
  readonly name: string;
  readonly meaning: string;
}

/** For `docs/variables.md`. */
export const VARIABLE_DOCS: {
  readonly whole: readonly DescribedVariable[];
  readonly prefixes: readonly DescribedVariable[];
  readonly tls: readonly string[];
} = {
  whole: Object.entries(VARIABLES).map(([name, [, meaning]]) => ({ name, meaning })),
  prefixes: PREFIXES.map(({ prefix, meaning }) => ({ name: `${prefix}…`, meaning })),
  tls: SSL_VARIABLE_NAMES,
};
