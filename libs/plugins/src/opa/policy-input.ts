import type { RequestContext } from '@polygate/plugin-sdk';
import type { OpaConf } from './opa.schema.ts';

type Json = Readonly<Record<string, unknown>>;

/** What the policy is asked about. Source: apisix/plugins/opa/helper.lua. */
export function policyInput(ctx: RequestContext, conf: OpaConf): Json {
  const { request, server, client } = ctx;
  const input: Record<string, unknown> = {
    type: 'http',
    request: {
      scheme: request.scheme,
      method: request.method,
      host: request.host,
      port: server.port,
      path: request.path,
      headers: headersByName(ctx),
      query: argumentsByName(ctx),
    },
    var: {
      server_addr: server.address,
      server_port: String(server.port),
      remote_addr: client.address,
      remote_port: String(client.port),
      timestamp: Math.floor(Date.now() / 1000),
    },
  };
  if (!conf.with_route && !conf.with_service && !conf.with_consumer) return { input };
  const { route, service, consumer } = ctx.getResources();
  // where the upstream is, is none of the policy's business
  if (conf.with_route && route !== undefined) input['route'] = without(route, 'upstream');
  if (conf.with_service && service !== undefined) input['service'] = without(service, 'upstream');
  if (conf.with_consumer && consumer !== undefined) {
    input['consumer'] = {
      ...consumer,
      consumer_name: ctx.consumer?.username,
      credential_id: ctx.consumer?.credentialId,
      custom_id: ctx.consumer?.customId,
      auth_conf: ctx.consumer?.authConf,
    };
  }
  return { input };
}

function without(resource: Json, field: string): Json {
  return Object.fromEntries(Object.entries(resource).filter(([name]) => name !== field));
}

/** A name that is there more than once has a list. */
function headersByName({ request: { headers } }: RequestContext): Json {
  const values = new Map<string, string | string[]>();
  headers.forEach((_name, value, lowerName) => add(values, lowerName, utf8(value)));
  return Object.fromEntries(values);
}

/** An argument without value is `true`. */
function argumentsByName({ request }: RequestContext): Json {
  const values = new Map<string, string | true | (string | true)[]>();
  for (const { name, value } of request.getArguments()) add(values, name, value ?? true);
  return Object.fromEntries(values);
}

function add<T extends string | true>(values: Map<string, T | T[]>, name: string, value: T): void {
  const known = values.get(name);
  if (known === undefined) values.set(name, value);
  else if (Array.isArray(known)) known.push(value);
  else values.set(name, [known, value]);
}

/** Header values have a character a byte. */
function utf8(value: string): string {
  return Buffer.from(value, 'latin1').toString();
}
