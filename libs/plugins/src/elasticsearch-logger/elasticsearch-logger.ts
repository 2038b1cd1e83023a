import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { defineBatchedLogger, type EntryMaker } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget } from '../log-sinks/log-sink-http.ts';
import { definition, type ElasticsearchLoggerConf } from './elasticsearch-logger.schema.ts';
import { ElasticsearchVersion } from './elasticsearch-version.ts';
import { IndexName } from './index-name.ts';

interface IndexedEntry {
  readonly index: string;
  readonly json: string;
}

/** Writes entries into indexes of Elasticsearch, by its bulk API. */
export default defineBatchedLogger<ElasticsearchLoggerConf, IndexedEntry>(definition, {
  entryMaker,
  openSink,
});

function entryMaker(
  { field }: ElasticsearchLoggerConf,
  { log }: PluginEnvironment,
): EntryMaker<IndexedEntry> {
  const name = new IndexName(field.index, log);
  return ({ vars }, json) => ({ index: name.resolve(vars), json });
}

function openSink(
  conf: ElasticsearchLoggerConf,
  { log }: PluginEnvironment,
): LogSink<IndexedEntry> {
  const addresses = conf.endpoint_addrs ?? [conf.endpoint_addr ?? ''];
  const target = openHttpTarget({
    timeoutMs: conf.timeout * 1000,
    verifyTls: conf.ssl_verify,
    keepAlive: { idleMs: 60_000, connectionsMax: 5 },
  });
  const version = new ElasticsearchVersion(target, headersOf(conf), log);
  const headers = {
    'Content-Type': 'application/x-ndjson',
    Accept: 'application/vnd.elasticsearch+json',
    ...headersOf(conf),
  };
  const choose = (): string => addresses[Math.floor(Math.random() * addresses.length)] ?? '';
  return {
    async send(entries) {
      const needsType = await version.needsType(choose());
      const url = endpointUrl(`${choose()}/_bulk`);
      log.info(`sending a batch logs to ${url.href}`);
      const answer = await target.post(url, headers, bulkOf(entries, needsType));
      if (answer.status === 200) return;
      const body = answer.body.toString();
      throw new Error(`elasticsearch server returned status: ${answer.status}, body: ${body}`);
    },
    close: () => target.close(),
  };
}

/** `headers` of the conf replace what `auth` says. */
function headersOf({ auth, headers }: ElasticsearchLoggerConf): Readonly<Record<string, string>> {
  if (auth === undefined) return headers ?? {};
  const credentials = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
  return { Authorization: `Basic ${credentials}`, ...headers };
}

/** Two lines an entry: where it goes, and itself. Older servers want a type. */
function bulkOf(entries: readonly IndexedEntry[], needsType: boolean): string {
  const type = needsType ? ',"_type":"_doc"' : '';
  return entries
    .map(({ index, json }) => `{"index":{"_index":${JSON.stringify(index)}${type}}}\n${json}\n`)
    .join('');
}
