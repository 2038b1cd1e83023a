import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { PartlySent } from '../log-sinks/batch-processor.ts';
import { defineBatchedLogger, type EntryMaker } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget } from '../log-sinks/log-sink-http.ts';
import { sendOverUdp } from '../log-sinks/log-sink-socket.ts';
import {
  definition,
  LOGGLY_DEFAULTS,
  SEVERITIES,
  type LogglyConf,
  type LogglyMetadata,
} from './loggly.schema.ts';

/** Syslog's facility `user`, times eight. */
const FACILITY = 8;
/** Loggly's number with the authority for private enterprises. */
const ENTERPRISE = 41_058;

/** Sends entries to Loggly: as syslog over UDP, or as its metadata say, in bulk over HTTP. */
export default defineBatchedLogger<LogglyConf, string>(definition, {
  entryMaker,
  openSink(conf, env) {
    const metadata = metadataOf(env);
    return metadata.protocol === 'syslog'
      ? openSyslog(metadata, env)
      : openBulk(conf, metadata, env);
  },
});

function metadataOf({ metadata }: Pick<PluginEnvironment, 'metadata'>): LogglyMetadata {
  return { ...LOGGLY_DEFAULTS, ...(metadata as Partial<LogglyMetadata>) };
}

function entryMaker(conf: LogglyConf, env: PluginEnvironment): EntryMaker<string> {
  if (metadataOf(env).protocol !== 'syslog') return (_ctx, json) => json;
  const severities = new Map(
    Object.entries(conf.severity_map ?? {}).map(([status, name]) => [status, numberOf(name)]),
  );
  const usual = numberOf(conf.severity);
  const tags = conf.tags.map((tag) => `tag="${tag}"`).join(' ');
  const data = `[${conf.customer_token}@${ENTERPRISE} ${tags}]`;
  return ({ request, response }, json) => {
    const severity = severities.get(String(response.status)) ?? usual;
    const time = new Date().toISOString();
    const host = request.host === '' ? '-' : request.host;
    return `<${FACILITY + severity}>1 ${time} ${host} apisix ${process.pid} - ${data} ${json}`;
  };
}

function numberOf(severity: string): number {
  return SEVERITIES[severity.toUpperCase() as keyof typeof SEVERITIES];
}

/** A datagram an entry; those before one that failed are not sent again. */
function openSyslog(
  { host, port }: LogglyMetadata,
  { log }: Pick<PluginEnvironment, 'log'>,
): LogSink<string> {
  return {
    async send(entries) {
      log.info(`sending a batch logs to ${host}`);
      for (const [index, entry] of entries.entries()) {
        try {
          await sendOverUdp({ host, port }, [entry]);
        } catch (error) {
          throw new PartlySent(error instanceof Error ? error.message : String(error), index);
        }
      }
    },
  };
}

function openBulk(
  conf: LogglyConf,
  { host, protocol, timeout }: LogglyMetadata,
  { log }: Pick<PluginEnvironment, 'log'>,
): LogSink<string> {
  const target = openHttpTarget({
    timeoutMs: timeout,
    verifyTls: conf.ssl_verify,
    keepAlive: { idleMs: 60_000, connectionsMax: 5 },
  });
  const base = host.startsWith('http') ? host : `${protocol}://${host}`;
  const slash = base.endsWith('/') ? '' : '/';
  const headers = { 'Content-Type': 'application/json', 'X-LOGGLY-TAG': conf.tags.join(',') };
  return {
    async send(entries) {
      log.info(`sending a batch logs to ${host}`);
      // on its own first: an address that is none is told in the log, where no token belongs
      const root = endpointUrl(`${base}${slash}`);
      const url = new URL(`${root.href}bulk/${conf.customer_token}/tag/bulk`);
      const answer = await target.post(url, headers, entries.join('\n')).catch((error: Error) => {
        throw new Error(`failed to write log to loggly, ${error.message}`, { cause: error });
      });
      if (answer.status === 200) return;
      const why = `failed to send log to loggly, http status code: ${answer.status}`;
      const body = answer.body.toString();
      throw new Error(isJson(body) ? `${why} response body: ${body}` : why);
    },
    close: () => target.close(),
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
