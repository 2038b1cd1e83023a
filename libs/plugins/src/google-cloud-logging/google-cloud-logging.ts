import { readFileSync } from 'node:fs';
import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { defineBatchedLogger, type EntryMaker } from '../log-sinks/batched-logger.ts';
import type { LogSink } from '../log-sinks/log-batches.ts';
import { membersBehind } from '../log-entries/log-entry-format.ts';
import { latenciesOf, upstreamAddresses } from '../log-entries/log-entry-full.ts';
import { jsonText } from '../log-entries/log-entry-json.ts';
import type { LogEntryBuilder } from '../log-entries/log-entry.ts';
import { endpointUrl, openHttpTarget } from '../log-sinks/log-sink-http.ts';
import {
  definition,
  ENTRIES_URI,
  type GoogleAuthConf,
  type GoogleCloudLoggingConf,
} from './google-cloud-logging.schema.ts';
import { GoogleOauth } from './google-oauth.ts';

/** resty.http's. */
const TIMEOUT_MS = 60_000;

/** Writes entries to Google Cloud's log, as a service account. */
export default defineBatchedLogger<GoogleCloudLoggingConf, string>(definition, {
  entryMaker,
  openSink,
});

function entryMaker(conf: GoogleCloudLoggingConf): EntryMaker<string> {
  const auth = readAuth(conf);
  if (typeof auth === 'string') {
    return (ctx) => {
      ctx.log.error(`failed to fetch google-cloud-logging.oauth object: ${auth}`);
      return undefined;
    };
  }
  const resource = JSON.stringify(conf.resource);
  const logName = jsonText(`projects/${auth.project_id}/logs/${conf.log_id}`);
  return (ctx, json, builder) =>
    `{${builder.isCustom ? `"jsonPayload":${json}` : requestMembers(ctx, builder)}` +
    `,"labels":{"source":"apache-apisix-google-cloud-logging"}` +
    `,"timestamp":"${new Date().toISOString()}","resource":${resource}` +
    `,"insertId":${jsonText(ctx.vars.get('request_id') ?? '')},"logName":${logName}}`;
}

function requestMembers(ctx: RequestContext, { extra }: LogEntryBuilder): string {
  const { request, response, route, vars } = ctx;
  const uri = vars.get('request_uri') ?? request.rawTarget;
  const httpRequest = {
    requestMethod: request.method,
    requestUrl: `${request.scheme}://${request.host}:${ctx.server.port}${uri}`,
    requestSize: ctx.bytesReceived,
    status: response.status,
    responseSize: ctx.bytesSent,
    userAgent: request.headers.get('user-agent'),
    remoteIp: ctx.client.address,
    serverIp: upstreamAddresses(ctx),
    latency: `${(latenciesOf(ctx).totalMs / 1000).toFixed(3)}s`,
  };
  const own = {
    route_id: route?.id,
    service_id: route === undefined ? request.host : (route.serviceId ?? ''),
  };
  const added = extra.filter(
    ({ name }) => name !== 'service_id' && (name !== 'route_id' || route === undefined),
  );
  const payload = JSON.stringify(own).slice(0, -1) + membersBehind(added, ctx);
  return `"httpRequest":${JSON.stringify(httpRequest)},"jsonPayload":${payload}}`;
}

function openSink(conf: GoogleCloudLoggingConf, { log }: PluginEnvironment): LogSink<string> {
  const auth = readAuth(conf);
  if (typeof auth === 'string') throw new Error(auth);
  const target = openHttpTarget({
    timeoutMs: TIMEOUT_MS,
    verifyTls: conf.ssl_verify,
    keepAlive: undefined,
  });
  const oauth = new GoogleOauth(auth, target);
  return {
    async send(entries) {
      const authorization = await oauth.authorization().catch((error: unknown) => {
        log.error(error instanceof Error ? error.message : String(error));
        throw new Error('failed to get google oauth token', { cause: error });
      });
      const answer = await target.post(
        endpointUrl(auth.entries_uri ?? ENTRIES_URI),
        { 'Content-Type': 'application/json', Authorization: authorization },
        `{"entries":[${entries.join(',')}],"partialSuccess":false}`,
      );
      if (answer.status !== 200) throw new Error(answer.body.toString());
    },
    close: () => target.close(),
  };
}

/** A text: why there is none. */
function readAuth({ auth_config, auth_file }: GoogleCloudLoggingConf): GoogleAuthConf | string {
  if (auth_config !== undefined) return auth_config;
  if (auth_file === undefined) return 'configuration is not defined';
  let content: string;
  try {
    content = readFileSync(auth_file, 'utf8');
  } catch (error) {
    return `failed to read configuration, file: ${auth_file} err: ${String(error)}`;
  }
  try {
    return JSON.parse(content) as GoogleAuthConf;
  } catch (error) {
    return `config parse failure, file: ${auth_file}, err: ${String(error)}`;
  }
}
