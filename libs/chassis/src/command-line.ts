import { parseArgs } from 'node:util';

export interface CommandLine {
  readonly configFile: string;
  /** Print `usage` and end with code 0. */
  readonly help: boolean;
}

/** What was typed cannot be understood; the message is for whoever typed it. */
export class CommandLineError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandLineError';
  }
}

/** `argv` is `process.argv` without its first two entries. Throws a CommandLineError. */
export function readCommandLine(argv: readonly string[] = process.argv.slice(2)): CommandLine {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string', short: 'c', default: 'conf/config.yaml' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.config === '') throw new Error('--config needs the name of a file');
    return { configFile: values.config, help: values.help };
  } catch (cause) {
    const reason = (cause as Error).message.split('. ', 1)[0] ?? '';
    throw new CommandLineError(`${reason} (try --help)`, { cause });
  }
}

/** Text for `--help`. */
export function usage(program: string): string {
  return [
    `Usage: ${program} [--config FILE]`,
    '',
    '  -c, --config FILE  configuration file (default: conf/config.yaml)',
    '  -h, --help         show this',
    '',
  ].join('\n');
}
