/** Where the runner and its plugins report; the gateway collects what a runner writes to stderr. */
export interface RunnerLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export const stderrLog: RunnerLog = {
  info: (message) => write('info', message),
  warn: (message) => write('warn', message),
  error: (message) => write('error', message),
};

/** One line a message, whatever it holds: traffic must not be able to forge lines. */
function write(level: string, message: string): void {
  process.stderr.write(`${level} ${message.replaceAll(/[\r\n]+\s*/g, ' | ')}\n`);
}
