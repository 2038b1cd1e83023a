import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { defineBatchedLogger, type EntryMaker } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget } from '../log-sinks/log-sink-http.ts';
import { compileTemplate } from '../variable-template.ts';
import { definition, type LokiLoggerConf } from './loki-logger.schema.ts';

interface LokiEntry {
  /** JSON of an object: entries with the same are of one stream. */
  readonly labels: string;
  /** `["<nanoseconds>","<line>"]` */
  readonly value: string;
}

/** Pushes entries to Grafana Loki, a stream for each set of labels. */
export default defineBatchedLogger<LokiLoggerConf, LokiEntry>(definition, {
  unmatchedRouteId: 'no-matched',
  entryMaker,
  openSink,
});

function entryMaker(conf: LokiLoggerConf): EntryMaker<LokiEntry> {
  const labels = Object.entries(conf.log_labels)
    .map(([name, text]) => ({ name, text, template: compileTemplate(text) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return (ctx, json) => {
    const values = labels.map(({ name, text, template }) => {
      const rendered = template.resolve(ctx.vars);
      // a variable that there is none of stays as it is written
      return [name, rendered.resolved > 0 ? rendered.text : text];
    });
    return {
      labels: JSON.stringify(Object.fromEntries(values)),
      value: `["${ctx.startTimeMs}000000",${JSON.stringify(json)}]`,
    };
  };
}

function openSink(conf: LokiLoggerConf, { log }: PluginEnvironment): LogSink<LokiEntry> {
  const urls = conf.endpoint_addrs.map((address) => endpointUrl(address + conf.endpoint_uri));
  const target = openHttpTarget({
    timeoutMs: conf.timeout,
    verifyTls: conf.ssl_verify,
    keepAlive: conf.keepalive
      ? { idleMs: conf.keepalive_timeout, connectionsMax: conf.keepalive_pool }
      : undefined,
  });
  const headers = {
    ...conf.headers,
    'X-Scope-OrgID': conf.tenant_id,
    'Content-Type': 'application/json',
  };
  return {
    async send(entries) {
      const url = urls[Math.floor(Math.random() * urls.length)] as URL;
      log.info(`sending a batch logs to ${url.href}`);
      const answer = await target.post(url, headers, streamsOf(entries));
      if (answer.status < 300) return;
      const body = answer.body.toString();
      throw new Error(`loki server returned status: ${answer.status}, body: ${body}`);
    },
    close: () => target.close(),
  };
}

function streamsOf(entries: readonly LokiEntry[]): string {
  const streams = [...Map.groupBy(entries, ({ labels }) => labels)].map(
    ([labels, those]) =>
      `{"stream":${labels},"values":[${those.map(({ value }) => value).join(',')}]}`,
  );
  return `{"streams":[${streams.join(',')}]}`;
}
