import { CommandLineError, readCommandLine, usage } from './command-line.ts';
import { ConfigFileError } from './config/config-file-error.ts';

/**
 * The frame of a service's `main.ts`: reads the command line, answers `--help`, and ends with code 1
 * and a sentence for the user when the service cannot start.
 */
export async function runMain(
  program: string,
  main: (configFile: string) => Promise<void>,
): Promise<void> {
  try {
    const { configFile, help } = readCommandLine();
    if (help) process.stdout.write(usage(program));
    else await main(configFile);
  } catch (error) {
    const isForTheUser = error instanceof CommandLineError || error instanceof ConfigFileError;
    const { message, stack } = error as Error;
    process.stderr.write(`${isForTheUser ? message : (stack ?? message)}\n`);
    process.exit(1);
  }
}
