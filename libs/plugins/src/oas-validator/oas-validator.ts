import { definePlugin } from '@polygate/plugin-sdk';
import type { ClientRequest, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { readBoundedBody } from '../bounded-body.ts';
import { definition, type OasValidatorConf } from './oas-validator.schema.ts';
import type { OpenApiValidator } from './openapi-validator.ts';
import type { RawValue, RawValues } from './parameter-value.ts';
import { specSource, type SpecSource } from './spec-source.ts';

interface Prepared {
  readonly conf: OasValidatorConf;
  readonly source: SpecSource;
}

const TTL_SECONDS = 3600;

/** Refuses requests that are not as an OpenAPI document says. */
export default definePlugin<OasValidatorConf, Prepared>(definition, {
  prepare(conf, { metadata, log }) {
    const ttl = metadata['spec_url_ttl'];
    return { conf, source: specSource(conf, typeof ttl === 'number' ? ttl : TTL_SECONDS, log) };
  },

  dispose: ({ source }) => source.close(),

  async access(ctx, { conf, source }): Promise<LocalReply | undefined> {
    let validator: OpenApiValidator;
    try {
      validator = await source.validator();
    } catch (error) {
      ctx.log.error(error instanceof Error ? error.message : String(error));
      return { status: 500, body: { message: 'failed to parse openapi spec' } };
    }
    let body: { readonly text: string } | undefined;
    if (!conf.skip_request_body_validation) {
      const read = await readBoundedBody(ctx.request, conf.max_req_body_size);
      if (typeof read === 'string') {
        ctx.log.error(`failed reading request body, err: ${read}`);
        const message = `error reading the request body. err: ${read}`;
        return { status: 500, body: { message } };
      }
      body = { text: read.toString() };
    }
    return validate(ctx, conf, validator, body);
  },
});

function validate(
  { request, log }: RequestContext,
  conf: OasValidatorConf,
  validator: OpenApiValidator,
  body: { readonly text: string } | undefined,
): LocalReply | undefined {
  const { method, path } = request;
  const problem = validator.problemOf({
    method,
    path,
    checksPath: !conf.skip_path_params_validation,
    query: conf.skip_query_param_validation ? undefined : queryOf(request),
    headers: conf.skip_request_header_validation ? undefined : headersOf(request),
    contentType: request.headers.get('content-type'),
    body,
  });
  if (problem === undefined) return undefined;
  log.error(`error occurred while validating request [${method} ${path}], err: ${problem}`);
  if (!conf.reject_if_not_match) return undefined;
  const message = `failed to validate request. ${conf.verbose_errors ? problem : ''}`;
  return { status: conf.rejection_status_code, body: { message } };
}

function queryOf(request: ClientRequest): RawValues {
  const values = new Map<string, RawValue>();
  for (const { name, value } of request.getArguments()) add(values, name, value ?? true);
  return values;
}

function headersOf({ headers }: ClientRequest): RawValues {
  const values = new Map<string, RawValue>();
  for (let i = 0; i < headers.size; i++) add(values, headers.lowerNameAt(i), headers.valueAt(i));
  return values;
}

function add(values: Map<string, RawValue>, name: string, value: string | true): void {
  const before = values.get(name);
  values.set(name, before === undefined ? value : [before, value].flat());
}
