import { parseArgs } from 'node:util';
import { checkRunner, type CheckOptions } from './check-runner.ts';
import { isPassed, resultLine, summary } from './report.ts';

export const USAGE = `usage: node tools/runner-check/runner-check.ts [OPTION…] CMD [ARG…]
       node tools/runner-check/runner-check.ts [OPTION…] --socket PATH
Checks a plugin runner against the rules of the protocol (docs/external-plugins.md).
  --json          the results as JSON on stdout
  --only PREFIX   only rules whose id begins with it
  --idle SECONDS  how long a connection is left alone (5)
  --wait SECONDS  how long an answer may take (5)
  --start SECONDS how long it may take to listen (60)
Exit code: 0 all rules kept that must be, 1 one is broken, 2 it could not be checked.
Options of ours stand before CMD.`;

/** What the command line gets wrong; the message is for whoever typed it. */
export class UsageError extends Error {}

interface CommandLine {
  readonly options: CheckOptions;
  readonly asJson: boolean;
}

/** Throws a UsageError. */
export function parseRunnerCheck(args: readonly string[]): CommandLine {
  const { values, positionals } = readArgs(args);
  const { socket, only } = values;
  if ((positionals.length === 0) === (socket === undefined)) throw new UsageError(USAGE);
  return {
    asJson: values.json === true,
    options: {
      ...(socket === undefined ? { command: positionals } : { socket }),
      ...(only === undefined ? {} : { only }),
      idleMs: milliseconds('--idle', values.idle ?? '5'),
      waitMs: milliseconds('--wait', values.wait ?? '5'),
      startMsMax: milliseconds('--start', values.start ?? '60'),
    },
  };
}

function readArgs(args: readonly string[]) {
  const options = {
    json: { type: 'boolean' },
    socket: { type: 'string' },
    only: { type: 'string' },
    idle: { type: 'string' },
    wait: { type: 'string' },
    start: { type: 'string' },
  } as const;
  // The command's own options are not ours.
  const begin = commandBegin(args);
  try {
    const { values } = parseArgs({ args: args.slice(0, begin), options });
    return { values, positionals: args.slice(begin) };
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n${USAGE}`);
  }
}

/** Of the first argument that is neither an option nor its value. */
function commandBegin(args: readonly string[]): number {
  let i = 0;
  while (i < args.length && args[i]?.startsWith('--') === true) {
    if (args[i] === '--') return i + 1;
    i += args[i] === '--json' || args[i]?.includes('=') === true ? 1 : 2;
  }
  return Math.min(i, args.length);
}

function milliseconds(name: string, seconds: string): number {
  const ms = Number(seconds) * 1_000;
  if (seconds !== '' && ms >= 0 && ms <= 3_600_000) return ms;
  throw new UsageError(`${name} is to be a number of seconds up to 3600`);
}

async function main(): Promise<void> {
  try {
    const { options, asJson } = parseRunnerCheck(process.argv.slice(2));
    const onResult = asJson
      ? {}
      : { onResult: (one: Parameters<typeof resultLine>[0]) => console.log(resultLine(one)) };
    const results = await checkRunner({ ...options, ...onResult });
    console.log(asJson ? JSON.stringify(results, null, 2) : summary(results));
    process.exitCode = isPassed(results) ? 0 : 1;
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 2;
  }
}

if (import.meta.main) await main();
