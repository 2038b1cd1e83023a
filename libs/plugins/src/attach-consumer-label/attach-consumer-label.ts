import { definePlugin } from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { definition, type AttachConsumerLabelConf } from './attach-consumer-label.schema.ts';

interface LabelHeader {
  readonly name: string;
  readonly label: string;
}

/** Tells the upstream labels of the consumer. The client's own headers of those names never get there. */
export default definePlugin<AttachConsumerLabelConf, readonly LabelHeader[]>(definition, {
  prepare: ({ headers }) =>
    Object.entries(headers).map(([name, label]) => ({ name, label: label.slice(1) })),

  // not before: plugins of the consumer itself and of global rules have run
  beforeProxy(ctx, labelHeaders) {
    const labels = ctx.consumer?.labels ?? {};
    for (const { name, label } of labelHeaders) {
      const value = Object.hasOwn(labels, label) ? labels[label] : undefined;
      if (value === undefined) ctx.request.headers.delete(name);
      else ctx.request.headers.set(name, headerValue(value));
    }
  },
});
