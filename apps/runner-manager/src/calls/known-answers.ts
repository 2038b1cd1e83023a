import type { KnownInfo } from '@polygate/rpc';
import type { ExtraInfoRequest } from '@polygate/runner-protocol';

/** What the runner is answered; `result` undefined: there is no such thing. */
export interface KnownAnswer {
  readonly result: Uint8Array | undefined;
}

const NOTHING: KnownAnswer = { result: undefined };

/**
 * The answer to a runner's question where the call brought it along, byte for byte what the data
 * plane would answer. Undefined: it has to be asked.
 */
export function knownAnswer(
  known: KnownInfo | undefined,
  question: ExtraInfoRequest,
): KnownAnswer | undefined {
  if (known === undefined) return undefined;
  switch (question.kind) {
    case 'variable': {
      const entry = known.variables.find(({ name }) => name === question.name);
      if (entry === undefined) return undefined;
      return entry.value === undefined ? NOTHING : { result: Buffer.from(entry.value) };
    }
    case 'requestBody':
      if (known.hasNoRequestBody) return NOTHING;
      return known.requestBody === undefined ? undefined : { result: known.requestBody };
    case 'responseBody':
      return known.responseBody === undefined ? undefined : { result: known.responseBody };
  }
}
