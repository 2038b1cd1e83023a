import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { readBoundedBody } from '../bounded-body.ts';
import { readJson } from '../json-problem.ts';
import { definition, type DegraphqlConf } from './degraphql.schema.ts';

type Variables = Readonly<Record<string, unknown>>;

/** Makes a GraphQL request out of a plain one: arguments or members of a JSON body are its variables. */
export default definePlugin<DegraphqlConf>(definition, {
  access(ctx, conf) {
    const { method } = ctx.request;
    if (method === 'GET') return setArguments(ctx, conf);
    return method === 'POST' ? setBody(ctx, conf) : { status: 405 };
  },
});

function setArguments({ request }: RequestContext, conf: DegraphqlConf): undefined {
  const args = request.getArguments();
  const variables: Record<string, unknown> = {};
  for (const name of conf.variables ?? []) {
    const values = args.filter((one) => one.name === name).map(({ value }) => value ?? true);
    if (values.length > 0) variables[name] = values.length === 1 ? values[0] : values;
  }
  const { query, operation_name: operationName } = conf;
  const given: readonly (readonly [string, string | undefined])[] = [
    ['query', query],
    ['operationName', operationName],
    ['variables', conf.variables === undefined ? undefined : JSON.stringify(variables)],
  ];
  request.setArguments(
    given.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }])),
  );
  return undefined;
}

async function setBody(ctx: RequestContext, conf: DegraphqlConf): Promise<LocalReply | undefined> {
  const { request } = ctx;
  let variables: Variables | undefined;
  if (conf.variables !== undefined) {
    const read = await readVariables(ctx, conf, conf.variables);
    if ('status' in read) return read;
    ({ variables } = read);
  }
  const { query, operation_name: operationName } = conf;
  // what is undefined is left out
  const body = JSON.stringify({ variables, operationName, query });
  request.headers.set('Content-Type', 'application/json');
  request.setBody(Buffer.from(body));
  return undefined;
}

async function readVariables(
  { request, log }: RequestContext,
  { max_req_body_size: bytesMax }: DegraphqlConf,
  names: readonly string[],
): Promise<{ readonly variables: Variables } | LocalReply> {
  const body = await readBoundedBody(request, bytesMax);
  if (typeof body === 'string') {
    log.error(`failed to get request body: ${body}`);
    return { status: 503 };
  }
  if (body.length === 0) {
    log.error('missing request body');
    return { status: 400 };
  }
  const read = readJson(body.toString());
  const given = read.problem === undefined ? read.value : undefined;
  if (typeof given !== 'object' || given === null) {
    log.error(`invalid request body can't be decoded: ${read.problem ?? 'bad type'}`);
    return { status: 400 };
  }
  const variables: Record<string, unknown> = {};
  for (const name of names) {
    if (Object.hasOwn(given, name)) variables[name] = (given as Variables)[name];
  }
  return { variables };
}
