import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { defineBatchedLogger, type EntryMaker } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { sendOverTcp } from '../log-sinks/log-sink-socket.ts';
import { syslogLine } from '../syslog/rfc5424.ts';
import { definition, type SlsLoggerConf } from './sls-logger.schema.ts';

/** Sends entries to Alibaba Cloud's log service, as syslog over TLS; the key is in each line. */
export default defineBatchedLogger<SlsLoggerConf, string>(definition, { entryMaker, openSink });

function entryMaker(conf: SlsLoggerConf): EntryMaker<string> {
  const members = {
    project: conf.project,
    logstore: conf.logstore,
    'access-key-id': conf.access_key_id,
    'access-key-secret': conf.access_key_secret,
  };
  const pairs = Object.entries(members).map(([name, value]) => ` ${name}="${value}"`);
  const structuredData = `[logservice${pairs.join('')}]`;
  return ({ request }, json) => syslogLine({ hostname: request.host, text: json, structuredData });
}

function openSink(conf: SlsLoggerConf, { log }: PluginEnvironment): LogSink<string> {
  const { host, port, timeout, ssl_verify: isVerified } = conf;
  const tls = { serverName: host, isVerified };
  return {
    async send(lines) {
      log.info(`sending a batch logs to ${host}:${port}`);
      await sendOverTcp({ host, port, timeoutMs: timeout, tls }, lines.join(''));
    },
  };
}
