/** `max_req_body_size`, bytes, of plugins that do no more with a body than read it. */
export const MAX_REQ_BODY_SIZE = {
  type: 'integer',
  minimum: 1,
  default: 67_108_864,
  description:
    'maximum request body size in bytes buffered into memory; larger request bodies are rejected',
};
