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

/** Where lines of a log go, for `LoggerOptions.stream`. */
export interface LogDestination {
  write(line: string): unknown;
  /** After the file was moved away, as by logrotate: opens the path anew. */
  reopen(): void;
}

/**
 * Appends to a file, which may be shared by threads and processes: each line is one write with
 * O_APPEND. Standard error without a path. Makes the folder. Throws an Error of the file system when
 * the file cannot be opened.
 */
export function openLogDestination(path: string | undefined): LogDestination {
  const dest = path === undefined ? 2 : (STANDARD_STREAMS.get(path) ?? path);
  if (typeof dest === 'number') {
    const sink = pino.destination({ dest, sync: true });
    return { write: (line) => sink.write(line), reopen: () => undefined };
  }
  const sink = pino.destination({ dest, sync: true, append: true, mkdir: true });
  // It could be said nowhere, and a full disk must not end the process.
  sink.on('error', () => undefined);
  return { write: (line) => sink.write(line), reopen: () => sink.reopen() };
}

/** Opened by number: by name it cannot be had where it is a socket, as under systemd. */
const STANDARD_STREAMS: ReadonlyMap<string, number> = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
]);

/**
 * A logger on pino. `text` gives one line as nginx writes it, `json` one object a line with `time`,
 * `level`, `service` and `message`. An Error in the field `error` is written with its stack. Lines
 * are written synchronously, so that none is lost when the process ends, also from worker threads.
 */
export function createLogger({ level, format, service, stream }: LoggerOptions): Logger {
  const sink = stream ?? openLogDestination(undefined);
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

const NO_FIELDS: LogFields = {};

function nothing(): void {}

/** A level that is off is an empty function: it stays off, for nobody changes levels at run time. */
function wrap(inner: ReturnType<typeof pino>): Logger {
  const at = (level: LogLevel): Logger[LogLevel] =>
    inner.isLevelEnabled(level)
      ? (message, fields) => inner[level](fields ?? NO_FIELDS, message)
      : nothing;
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(inner.child(fields)),
    isEnabled: (level) => inner.isLevelEnabled(level),
  };
}
