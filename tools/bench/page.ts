import { figureText } from './figures/figures.ts';
import type { Figure } from './figures/figures.ts';
import { costsSection } from './plugin-costs/plugin-costs.ts';
import type { PluginCosts } from './plugin-costs/plugin-costs.ts';
import type { MachineFacts } from './machine.ts';
import { COLUMNS, goalText, LEGEND, medianText, rangeText, rowsOf } from './report.ts';
import type { ScenarioResult } from './run-scenario.ts';

export interface PageContents {
  readonly machine: MachineFacts;
  readonly placement: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly results: readonly ScenarioResult[];
  readonly figures: readonly Figure[];
  /** Undefined: not measured. */
  readonly pluginCosts?: PluginCosts | undefined;
  /** Name → how it is set up. */
  readonly contenders: readonly { readonly name: string; readonly about: string }[];
}

/** docs/benchmarks.md: Markdown without a date, so that two runs differ in their figures only. */
export function pageOf(contents: PageContents): string {
  const { machine, placement, seconds, rounds, results, figures, contenders } = contents;
  const { pluginCosts } = contents;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return `# Benchmarks

Written by \`npm run bench\`; change nothing here by hand. All contenders ran in one go on one machine
over loopback, in turn, round by round: compare figures within a table, not with those of other
machines. Repeat the run before you believe a small difference.

- Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}
- Placement: ${placement}
- Programs: ${versions.join(', ')}
- Load: ${rounds} rounds of ${seconds} s each, after a warm-up until it costs no less; 64
  connections by wrk (HTTP/2: 16 connections with 8 streams by h2load); the upstream is an nginx
  that answers with 1 KiB
- Figures are medians over the rounds, with the least and the most in brackets

${LEGEND.map(([term, text]) => `- **${term}**: ${text}`).join('\n')}

Contenders:

${contenders.map(({ name, about }) => `- **${name}**: ${about}`).join('\n')}

${results.map(scenarioText).join('\n')}
## Routes, changes, connections

${figures.length === 0 ? 'Not measured.' : figures.map((one) => `- ${figureText(one)}`).join('\n')}
${pluginCosts === undefined ? '' : `\n${costsSection(pluginCosts)}`}`;
}

function scenarioText(result: ScenarioResult): string {
  const { scenario, missing } = result;
  const rows = rowsOf(result);
  const columns = COLUMNS.filter(({ read }) =>
    rows.some(({ summary }) => read(summary) !== undefined),
  );
  const table = [
    ['', ...columns.map(({ title }) => title)],
    ['---', ...columns.map(() => '---:')],
    ...rows.map(({ name, summary }) => [
      name,
      ...columns.map((column) => {
        const range = column.title === '× nginx' ? rangeText(column, summary) : '';
        return `${medianText(column, summary)}${range === '' ? '' : ` (${range})`}`;
      }),
    ]),
  ].map((cells) => `| ${cells.join(' | ')} |`);
  const goal = goalText(result);
  const leftOut = Object.entries(missing).map(([name, reason]) => `Left out: ${name} (${reason})`);
  return [
    `## ${scenario.name}\n`,
    `${scenario.description[0]?.toUpperCase()}${scenario.description.slice(1)}.\n`,
    ...(rows.length === 0 ? [] : [`${table.join('\n')}\n`]),
    ...(goal === undefined ? [] : [`Polygate: ${goal}.\n`]),
    ...leftOut.map((line) => `${line}.\n`),
  ].join('\n');
}
