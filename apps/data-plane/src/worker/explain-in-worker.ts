import type { SnapshotBuilder } from '../config/snapshot-builder.ts';
import { explainRequest } from '../explain/explain-request.ts';
import type { ExplainQuestion } from '../explain/question.ts';
import { describeError } from '../pipeline/describe-error.ts';
import type { Gateway } from '../server/gateway.ts';
import type { Listener } from '../server/listeners.ts';
import type { Explained } from './messages.ts';

/** With the snapshot that new requests get. Never throws. */
export function explainInWorker(
  question: ExplainQuestion,
  around: {
    readonly gateway: Gateway;
    readonly builder: SnapshotBuilder;
    /** The first one: a question does not say where it came in. */
    readonly server: Listener | undefined;
  },
): Explained {
  const { gateway, builder } = around;
  const snapshot = gateway.holder.current;
  if (snapshot === undefined) return { ok: false, reason: 'there is no configuration yet' };
  const server = { address: around.server?.host ?? '', port: around.server?.port ?? 0 };
  try {
    const surroundings = { ...gateway, snapshot, parts: builder.parts, server };
    return { ok: true, document: explainRequest(question, surroundings) };
  } catch (error) {
    gateway.log.error(`a request could not be explained: ${describeError(error)}`);
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
