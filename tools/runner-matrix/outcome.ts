import type { Seen } from './digest-upstream.ts';

/** What a row is about and what came of it: only what matters to the row. */
export type Outcome = Readonly<Record<string, unknown>>;

/** An answer of the gateway, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** What the upstream saw; undefined where the request did not get there. */
  readonly seen: Seen | undefined;
}

export async function call(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const body = Buffer.from(await response.arrayBuffer());
  const { status, headers } = response;
  const isUpstreams = headers.get('x-upstream') === 'digest';
  return { status, headers, body, seen: isUpstreams ? seenIn(body) : undefined };
}

/** A plugin may have written after it. */
function seenIn(body: Buffer): Seen {
  const text = body.toString();
  return JSON.parse(text.slice(0, text.lastIndexOf('}') + 1)) as Seen;
}
