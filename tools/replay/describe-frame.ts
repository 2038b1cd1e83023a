import {
  decodeErrorResponse,
  decodeExtraInfoRequest,
  decodeHttpReqCallRequest,
  decodeHttpReqCallResponse,
  decodeHttpRespCallRequest,
  decodeHttpRespCallResponse,
  errorText,
  FrameType,
  ProtocolError,
  type Frame,
  type TextEntry,
} from '@polygate/runner-protocol';

const TEXT_LENGTH_MAX = 2000;

/** What a runner answered, as lines that can be compared by reading. */
export function describeAnswer({ type, payload }: Frame): string[] {
  try {
    if (type === FrameType.HTTP_REQ_CALL) return describeAction(payload);
    if (type === FrameType.HTTP_RESP_CALL) return describeResponse(payload);
    if (type !== FrameType.ERROR) return [`a frame of the type ${type}`];
    const { code, message } = decodeErrorResponse(payload);
    return [`error ${code}: ${errorText(code)}`, ...(message === undefined ? [] : [message])];
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [`${error.message}: ${payload.toString('hex').slice(0, TEXT_LENGTH_MAX)}`];
  }
}

/** As `GET /path?a=b`, or `response 200`. */
export function describeRequest({ type, payload }: Frame): string {
  if (type === FrameType.HTTP_RESP_CALL) {
    return `response ${decodeHttpRespCallRequest(payload).status}`;
  }
  const { method, path, args } = decodeHttpReqCallRequest(payload);
  const query = args.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`));
  return `${method} ${path}${query.length === 0 ? '' : `?${query.join('&')}`}`;
}

/** As `variable host`; also what answers are looked up by. */
export function describeQuestion(payload: Buffer): string {
  const question = decodeExtraInfoRequest(payload);
  if (question.kind === 'variable') return `variable ${question.name}`;
  return question.kind === 'requestBody' ? 'request body' : 'response body';
}

function describeAction(payload: Buffer): string[] {
  const { id, action } = decodeHttpReqCallResponse(payload);
  const head = [`id ${id}`, `action ${action.kind}`];
  if (action.kind === 'continue') return head;
  if (action.kind === 'stop') {
    const { status, headers, body } = action;
    return [...head, `status ${status}`, ...entries('header', headers), ...bodyLines(body)];
  }
  return [
    ...head,
    ...(action.path === undefined ? [] : [`path ${action.path}`]),
    ...entries('header', action.headers),
    ...entries('argument', action.args),
    ...entries('response header', action.respHeaders),
    ...bodyLines(action.body),
  ];
}

function describeResponse(payload: Buffer): string[] {
  const { id, status, headers, body } = decodeHttpRespCallResponse(payload);
  return [`id ${id}`, `status ${status}`, ...entries('header', headers), ...bodyLines(body)];
}

function entries(what: string, list: readonly TextEntry[]): string[] {
  return list.map(({ name, value }) =>
    value === undefined ? `${what} ${name} deleted` : `${what} ${name}: ${value}`,
  );
}

function bodyLines(body: Uint8Array): string[] {
  if (body.length === 0) return [];
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text).equals(bytes);
  const shown = isText ? JSON.stringify(text) : `base64 ${bytes.toString('base64')}`;
  const isWhole = shown.length <= TEXT_LENGTH_MAX;
  return [`body of ${bytes.length} bytes ${isWhole ? shown : shown.slice(0, TEXT_LENGTH_MAX)}`];
}
