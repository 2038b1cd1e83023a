import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ParsedConfig } from './config-text.ts';
import type { Findings } from './keys/key-rules.ts';

export const ETCD_HOST_VARIABLE = 'APISIX_DEPLOYMENT_ETCD_HOST';

/** What the parts that make a GatewayConfig out of the written keys share. */
export interface ReadContext extends ParsedConfig {
  /** Absolute. */
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly warnings: string[];
}

/** `{[field]: absolute path}`, or nothing when the key is not written; the file must be there. */
export function pathOf<F extends string>(
  field: F,
  key: string,
  file: string | undefined,
  findings: Findings,
): { readonly [K in F]?: string } {
  if (file === undefined || file === '') return {};
  if (!existsSync(file)) findings.problems.push(`${key}: there is no file ${file}`);
  return { [field]: resolve(file) } as { readonly [K in F]?: string };
}
