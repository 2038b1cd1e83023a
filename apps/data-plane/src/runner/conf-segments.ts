import type { ExternalConf, ExternalPluginConf } from '@polygate/plugin-sdk';

/** The pool that `ext-plugin.cmd` makes. */
export const DEFAULT_RUNNER = 'default';

/** Entries of one conf that stand behind one another and live in one runner. */
export interface ConfSegment {
  readonly runner: string;
  /** That of the conf where it has one segment, so that APISIX's runners see APISIX's keys. */
  readonly key: string;
  readonly plugins: readonly { readonly name: string; readonly value: string }[];
  /** Why it must not be run; undefined: it may. */
  readonly problem: string | undefined;
}

/** What the configuration says of the runners, as far as this process knows it. */
export interface KnownRunner {
  readonly name: string;
  /** Empty: nothing is known of them. */
  readonly plugins: readonly string[];
}

/**
 * Cuts a conf into the runs of its entries that live in one runner each. That is the one an entry
 * names, or the one that is declared to have the plugin, or the default one. A conf without entries
 * goes to the default one, as in APISIX.
 */
export function cutConf(
  { key, plugins }: Pick<ExternalConf, 'key' | 'plugins'>,
  runners: readonly KnownRunner[],
): readonly ConfSegment[] {
  const runs: { runner: string; entries: ExternalPluginConf[] }[] = [];
  for (const entry of plugins) {
    const runner = runnerOf(entry, runners);
    const last = runs.at(-1);
    if (last?.runner === runner) last.entries.push(entry);
    else runs.push({ runner, entries: [entry] });
  }
  if (runs.length === 0) runs.push({ runner: DEFAULT_RUNNER, entries: [] });
  return runs.map(({ runner, entries }, i) => ({
    runner,
    key: runs.length === 1 ? key : `${key}#${i + 1}`,
    plugins: entries.map(({ name, value }) => ({ name, value })),
    problem: problemOf(runner, entries, runners),
  }));
}

function runnerOf({ name, runner }: ExternalPluginConf, runners: readonly KnownRunner[]): string {
  if (runner !== undefined) return runner;
  return runners.find(({ plugins }) => plugins.includes(name))?.name ?? DEFAULT_RUNNER;
}

/** Runners pass over plugins that they do not have, so one with a typo would let everything through. */
function problemOf(
  runner: string,
  entries: readonly ExternalPluginConf[],
  runners: readonly KnownRunner[],
): string | undefined {
  const declared = runners.find(({ name }) => name === runner)?.plugins ?? [];
  if (declared.length === 0) return undefined;
  const unknown = entries.find(({ name }) => !declared.includes(name));
  if (unknown === undefined) return undefined;
  return `unknown plugin: runner ${runner} is not declared to have ${JSON.stringify(unknown.name)}`;
}
