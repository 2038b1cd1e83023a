import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { defineBatchedLogger } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { sendOverTcp, sendOverUdp } from '../log-sinks/log-sink-socket.ts';
import { syslogLine } from './rfc5424.ts';
import { definition, type SyslogConf } from './syslog.schema.ts';

/** Sends entries to a syslog server, in the format of RFC 5424; over UDP a datagram each. */
export default defineBatchedLogger<SyslogConf, string>(definition, {
  entryMaker: () => (ctx, json) => syslogLine({ hostname: ctx.request.host, text: json }),
  openSink,
});

function openSink(conf: SyslogConf, { log }: PluginEnvironment): LogSink<string> {
  const target = {
    host: conf.host,
    port: conf.port,
    timeoutMs: conf.timeout,
    tls: conf.tls ? { serverName: undefined } : undefined,
  };
  return {
    async send(lines) {
      log.info(`sending a batch logs to ${conf.host}:${conf.port}`);
      if (conf.sock_type === 'udp') await sendOverUdp(target, lines);
      else await sendOverTcp(target, lines.join(''));
    },
  };
}
