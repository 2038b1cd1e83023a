import { randomInt, randomUUID, randomUUIDv7 } from 'node:crypto';
import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey } from '@polygate/plugin-sdk';
import { ksuid } from './ksuid.ts';
import { nanoid } from './nanoid.ts';
import { definition, type RequestIdConf } from './request-id.schema.ts';

interface Prepared {
  readonly headerName: string;
  readonly includeInResponse: boolean;
  readonly makeId: () => string;
  readonly id: ContextKey<string>;
}

export default definePlugin<RequestIdConf, Prepared>(definition, {
  prepare: (conf) => ({
    headerName: conf.header_name,
    includeInResponse: conf.include_in_response,
    makeId: idMaker(conf),
    id: contextKey('request-id'),
  }),

  rewrite(ctx, { headerName, includeInResponse, makeId, id }) {
    let value = ctx.request.headers.get(headerName);
    if (value === undefined || value === '') {
      value = makeId();
      ctx.request.headers.set(headerName, value);
    }
    if (includeInResponse) ctx.set(id, value);
    ctx.vars.set('apisix_request_id', value);
  },

  headerFilter(ctx, { headerName, id }) {
    const value = ctx.get(id);
    if (value === undefined) return;
    // an upstream that answers with an id of its own keeps it
    const present = ctx.response.headers.get(headerName);
    if (present === undefined || present === '') ctx.response.headers.set(headerName, value);
  },
});

function idMaker({ algorithm, range_id: rangeId }: RequestIdConf): () => string {
  switch (algorithm) {
    case 'uuid':
      return randomUUID;
    case 'uuidv7':
      return randomUUIDv7;
    case 'nanoid':
      return nanoid;
    case 'ksuid':
      return () => ksuid(Date.now());
    case 'range_id':
      return () => randomText(rangeId.char_set, rangeId.length);
  }
}

function randomText(characters: string, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += characters[randomInt(characters.length)] ?? '';
  return text;
}
