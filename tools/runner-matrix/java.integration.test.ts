import { buildJavaRunner, hasJava } from '@polygate/testing';
import { describeRunner } from './describe-runner.ts';
import { LET_THROUGH, NO_BODY_CHANGE, NO_RESPONSE_HEADERS } from './known-outcomes.ts';

describeRunner({
  name: 'Java',
  isHere: hasJava,
  prepare: buildJavaRunner,
  // a filter says ahead of all calls what it will ask for
  pluginFor: ({ vars, digest_body, append_body }) =>
    vars !== undefined
      ? 'rewrite-demo-variables'
      : digest_body === true
        ? 'rewrite-demo-body'
        : append_body !== undefined
          ? 'rewrite-demo-response-body'
          : 'rewrite-demo',
  cells: {
    'replaces the body of a request': NO_BODY_CHANGE,
    'sets a header of the answer to a request that goes on': NO_RESPONSE_HEADERS,
    'lets no request pass an unknown plugin': {
      because:
        'it passes over a plugin that it does not have, unless the runner declares its plugins',
      outcomes: [LET_THROUGH],
    },
  },
});
