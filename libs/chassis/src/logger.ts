import { pino, type DestinationStream } from 'pino';
import type { LogLevel } from './config/gateway-config.ts';
import { formatLogLine } from './log-line.ts';

export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Takes the place of the plugin SDK's Logger. Messages and fields are written as they come: no
 * secrets.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Adds `fields` to every line. */
  child(fields: LogFields): Logger;
  /** Whether lines of this level are written: to skip making a costly message. */
  isEnabled(level: LogLevel): boolean;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  /** Who writes, as `data-plane#3`. */
  readonly service: string;
  /** Gets whole lines; standard error when left out. */
  readonly stream?: { write(line: string): unknown };
}

/**
 * A logger on pino. `text` gives one line as nginx writes it, `json` one object a line with `time`,
 * `level`, `service` and `message`. An Error in the field `error` is written with its stack. Lines
 * are written synchronously, so that none is lost when the process ends, also from worker threads.
 */
export function createLogger({ level, format, service, stream }: LoggerOptions): Logger {
  const sink = stream ?? pino.destination({ dest: 2, sync: true });
  const lines: DestinationStream = {
    write: (json) => void sink.write(format === 'text' ? formatLogLine(json) : json),
  };
  const options = {
    level,
    messageKey: 'message',
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
  };
  return wrap(pino(options, lines));
}

function wrap(inner: ReturnType<typeof pino>): Logger {
  return {
    debug: (message, fields) => inner.debug(fields ?? {}, message),
    info: (message, fields) => inner.info(fields ?? {}, message),
    warn: (message, fields) => inner.warn(fields ?? {}, message),
    error: (message, fields) => inner.error(fields ?? {}, message),
    child: (fields) => wrap(inner.child(fields)),
    isEnabled: (level) => inner.isLevelEnabled(level),
  };
}
