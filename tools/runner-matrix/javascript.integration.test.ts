import { hasJavaScriptRunner, javaScriptRunnerCommand } from '@polygate/testing';
import { describeRunner } from './describe-runner.ts';
import { LET_THROUGH, NO_BODY_CHANGE, NO_RESPONSE_HEADERS } from './known-outcomes.ts';

const ONE_VALUE =
  'it keeps headers and arguments in a Map, one value each, and sends back all of it';
const ENDS = 'it knows no response phase, and its process ends by the frame';

describeRunner({
  name: 'JavaScript',
  isHere: hasJavaScriptRunner,
  prepare: javaScriptRunnerCommand,
  cells: {
    'leaves repeated and empty arguments alone': {
      because: `${ONE_VALUE}; an empty one is written as one to delete`,
      outcomes: [{ status: 200, args: ['new=1', 'twice=2'] }],
    },
    'leaves an argument without value alone': {
      because: 'it sends back all arguments, and one without value means to delete it',
      outcomes: [{ status: 200, args: ['new=1'] }],
    },
    'replaces the body of a request': NO_BODY_CHANGE,
    'sets a header of the answer to a request that goes on': NO_RESPONSE_HEADERS,
    'reads variables': {
      because: 'its SDK has no call for it',
      outcomes: [
        {
          ...{ status: 200, remote_addr: undefined, arg_a: undefined },
          ...{ route_id: undefined, absent: '' },
        },
      ],
    },
    'reads a body of all bytes there are': {
      because: 'it makes a text of the body, which loses bytes that are not UTF-8',
      outcomes: [{ status: 200, byRunner: false, byUpstream: true }],
    },
    'runs no plugin after one that stops': {
      because: 'it runs all of them, and the last one wins',
      outcomes: [{ status: 404, body: 'second' }],
    },
    'changes status and headers of a response': {
      because: ENDS,
      outcomes: [{ status: 503, header: null, hasBody: true }],
    },
    'reads and changes the body of a response': {
      because: ENDS,
      outcomes: [{ status: 503, header: null, end: '', isFromUpstream: false }],
    },
    'leaves a response alone that it has no wish for': {
      because: ENDS,
      outcomes: [{ status: 503, header: null, end: '', isFromUpstream: false }],
    },
    'lets no request pass an unknown plugin': {
      because:
        'it passes over a plugin that it does not have, unless the runner declares its plugins',
      outcomes: [LET_THROUGH],
    },
  },
});
