import { createHash, createHmac } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import type { Logger } from '@polygate/plugin-sdk';
import { PartlySent } from '../log-sinks/batch-processor.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { endpointUrl, openHttpTarget, type HttpTarget } from '../log-sinks/log-sink-http.ts';
import { ProtoWriter } from '../log-sinks/proto-writer.ts';
import type { TencentCloudClsConf } from './tencent-cloud-cls.schema.ts';

// https://www.tencentcloud.com/document/product/614/16873
// Source: apisix/plugins/tencent-cloud-cls/cls-sdk.lua.

const PATH = '/structuredlog';
const TIMEOUT_MS = 10_000;
const SIGNATURE_S = 60;
const VALUE_CHARS_MAX = 1024 * 1024;
const GROUP_CHARS_MAX = 5 * 1024 * 1024;
/** Sending the same again would not help. */
const FINAL_STATUS: ReadonlySet<number> = new Set([401, 403, 404, 413]);

/** Key and value. */
export type ClsLog = readonly (readonly [string, string])[];

export function openCls(conf: TencentCloudClsConf, log: Logger): LogSink<ClsLog> {
  const { scheme, cls_host, cls_topic } = conf;
  const target = openHttpTarget({
    timeoutMs: TIMEOUT_MS,
    verifyTls: conf.ssl_verify,
    keepAlive: undefined,
  });
  const url = endpointUrl(`${scheme}://${cls_host}${PATH}?topic_id=${cls_topic}`);
  let source: string | undefined;
  return {
    async send(logs) {
      source ??= (await lookup(hostname())).address;
      let sent = 0;
      for (const group of groupsOf(logs, log)) {
        try {
          await post({ target, url, log, conf }, encodeGroup(group.logs, source));
        } catch (error) {
          throw new PartlySent(error instanceof Error ? error.message : String(error), sent);
        }
        sent = group.end;
      }
    },
    close: () => target.close(),
  };
}

interface Way {
  readonly target: HttpTarget;
  readonly url: URL;
  readonly log: Logger;
  readonly conf: TencentCloudClsConf;
}

async function post({ target, url, log, conf }: Way, body: Buffer): Promise<void> {
  log.debug(`CLS request URL: ${url.href}`);
  const headers = {
    Host: conf.cls_host,
    'Content-Type': 'application/x-protobuf',
    Authorization: signature(conf.secret_id, conf.secret_key, Math.floor(Date.now() / 1000)),
  };
  const answer = await target.post(url, headers, body);
  if (answer.status === 200) {
    log.debug('CLS report success');
    return;
  }
  const told = JSON.stringify(answer.headers.toRaw());
  const reason = `got wrong status: ${answer.status}, headers: ${told}, body, ${answer.body.toString()}`;
  if (!FINAL_STATUS.has(answer.status)) throw new Error(reason);
  log.error(`${reason}, not retryable`);
}

interface Group {
  readonly logs: readonly ClsLog[];
  /** Index behind the last entry it stands for. */
  readonly end: number;
}

/** Of a size that is taken; an entry that is too large by itself is dropped. */
function groupsOf(entries: readonly ClsLog[], log: Logger): readonly Group[] {
  const groups: Group[] = [];
  let logs: ClsLog[] = [];
  let chars = 0;
  for (const [index, entry] of entries.entries()) {
    const size = entry.reduce((sum, [key, value]) => sum + key.length + value.length, 4);
    if (size > GROUP_CHARS_MAX) {
      log.error('size of log is over 5MB, dropped');
      continue;
    }
    if (chars + size > GROUP_CHARS_MAX) {
      groups.push({ logs, end: index });
      logs = [];
      chars = 0;
    }
    logs.push(entry);
    chars += size;
  }
  return [...groups, { logs, end: entries.length }];
}

/** `LogGroupList` with one group. */
function encodeGroup(logs: readonly ClsLog[], source: string): Buffer {
  const timeMs = Date.now();
  const group = new ProtoWriter();
  for (const entry of logs) {
    const message = new ProtoWriter();
    message.number(1, timeMs);
    for (const [key, value] of entry) {
      const content = new ProtoWriter();
      content.text(1, key);
      content.text(2, value);
      message.bytes(2, content.finish());
    }
    group.bytes(1, message.finish());
  }
  group.text(4, source);
  const list = new ProtoWriter();
  list.bytes(1, group.finish());
  return list.finish();
}

/** https://cloud.tencent.com/document/product/614/12445 */
export function signature(secretId: string, secretKey: string, nowS: number): string {
  const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');
  const hmac = (key: string, text: string): string =>
    createHmac('sha1', key).update(text).digest('hex');
  const time = `${nowS};${nowS + SIGNATURE_S}`;
  const signed = `sha1\n${time}\n${sha1(`post\n${PATH}\n\n\n`)}\n`;
  return [
    'q-sign-algorithm=sha1',
    `q-ak=${secretId}`,
    `q-sign-time=${time}`,
    `q-key-time=${time}`,
    'q-header-list=',
    'q-url-param-list=',
    `q-signature=${hmac(hmac(secretKey, time), signed)}`,
  ].join('&');
}

/** An entry as texts; what is none becomes JSON. */
export function clsLog(entry: Readonly<Record<string, unknown>>, log: Logger): ClsLog {
  return Object.entries(entry).map(([key, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (text.length <= VALUE_CHARS_MAX) return [key, text];
    log.warn(`${key} value size over ${VALUE_CHARS_MAX} , truncated`);
    return [key, text.slice(0, VALUE_CHARS_MAX)];
  });
}
