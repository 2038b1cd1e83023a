import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './children.ts';
import { FIGURE_NAMES } from './figures/figures.ts';
import { PLUGIN_COSTS } from './plugin-costs/plugin-costs.ts';
import { SCENARIOS } from './scenarios.ts';

const NAMES = [...SCENARIOS.map(({ name }) => name), ...FIGURE_NAMES, PLUGIN_COSTS];

export const USAGE = `usage: npm run bench -- [options]
  --quick          one short round a scenario, for a first look
  --only NAME      may be given several times: ${NAMES.join(', ')}
  --with NAME      only these peers beside nginx and Polygate; none for no other
  --seconds N      of one load
  --rounds N       loads of each contender
  --tree PATH      also another checkout of Polygate (with its dependencies), interleaved
  --apisix PATH    also Apache APISIX from a folder that has bin/apisix and its dependencies
  --profile DIR    afterwards record CPU profiles of Polygate's worker, a file a scenario
  --json FILE      all figures
  --page FILE      default: docs/benchmarks.md when everything is measured, none otherwise
  --micro          only the micro benchmarks (*.bench.ts)`;

const SECONDS_MAX = 60;
const ROUNDS_MAX = 50;

export interface Options {
  readonly quick: boolean;
  readonly micro: boolean;
  readonly seconds: number;
  readonly rounds: number;
  /** Of scenarios and figures. */
  readonly names: readonly string[];
  /** Peers to run beside nginx; undefined: all. */
  readonly peers: readonly string[] | undefined;
  readonly tree: string | undefined;
  readonly apisix: string | undefined;
  readonly profileFolder: string | undefined;
  readonly jsonFile: string | undefined;
  readonly pageFile: string | undefined;
}

/** Throws with the usage. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      micro: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      with: { type: 'string', multiple: true },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      tree: { type: 'string' },
      apisix: { type: 'string' },
      profile: { type: 'string' },
      json: { type: 'string' },
      page: { type: 'string' },
    },
  });
  const { quick, micro, only } = values;
  const unknown = only.filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) throw new Error(`no ${unknown.join(', ')}\n${USAGE}`);
  const isWhole = !quick && only.length === 0 && values.with === undefined;
  const page = values.page ?? (isWhole ? path.join(ROOT, 'docs/benchmarks.md') : undefined);
  return {
    quick,
    micro,
    seconds: wholeNumber('seconds', values.seconds ?? (quick ? '2' : '5'), SECONDS_MAX),
    rounds: wholeNumber('rounds', values.rounds ?? (quick ? '1' : '3'), ROUNDS_MAX),
    names: only.length === 0 ? NAMES : only,
    peers: values.with,
    tree: whole(values.tree),
    apisix: whole(values.apisix),
    profileFolder: whole(values.profile),
    jsonFile: whole(values.json),
    pageFile: whole(page),
  };
}

function whole(file: string | undefined): string | undefined {
  return file === undefined ? undefined : path.resolve(file);
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`--${name} must be a whole number from 1 to ${max}\n${USAGE}`);
}
