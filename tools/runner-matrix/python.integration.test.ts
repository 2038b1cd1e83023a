import { hasPythonRunner, preparePythonRunner } from '@polygate/testing';
import { describeRunner } from './describe-runner.ts';
import {
  LET_THROUGH,
  NO_BODY_CHANGE,
  NO_RESPONSE_HEADERS,
  READ_OR_REFUSED,
  REFUSED,
} from './known-outcomes.ts';

const NO_DELETION = 'its SDK ignores an empty value and has no other call to delete';
const ONE_VALUE =
  'it keeps headers and arguments in a dict, one value each, and sends back all of it';
const READS_ONCE =
  'it reads a frame with one recv(2), which cuts what does not fit the socket buffer';
const NO_RESPONSES =
  'it has no response phase, and reports so in a frame that is the same as "change nothing"';

describeRunner({
  name: 'Python',
  isHere: hasPythonRunner,
  prepare: preparePythonRunner,
  cells: {
    'removes a header': {
      because: NO_DELETION,
      outcomes: [{ status: 200, 'x-set': 'old', 'x-gone': 'still here', 'x-kept': 'kept' }],
    },
    'sets one argument and removes another': {
      because: NO_DELETION,
      outcomes: [
        {
          status: 200,
          pathname: '/sets-one-argument-and-removes-another',
          args: ['a=b c', 'gone=2', 'kept=3'],
        },
      ],
    },
    'leaves repeated and empty arguments alone': {
      because: ONE_VALUE,
      outcomes: [{ status: 200, args: ['empty=', 'new=1', 'twice=2'] }],
    },
    'leaves an argument without value alone': {
      because: 'it decodes the value that is not there, and the thread of the connection ends',
      outcomes: [{ status: 503, args: [] }],
    },
    'replaces the body of a request': NO_BODY_CHANGE,
    'sets a header of the answer to a request that goes on': NO_RESPONSE_HEADERS,
    'reads a body of 100 KB': { because: READS_ONCE, outcomes: READ_OR_REFUSED },
    'reads a body of 1 MB': { because: READS_ONCE, outcomes: [REFUSED] },
    'reads a body of 15 MB': { because: READS_ONCE, outcomes: [REFUSED] },
    'changes status and headers of a response': {
      because: NO_RESPONSES,
      outcomes: [{ status: 200, header: null, hasBody: true }],
    },
    'reads and changes the body of a response': {
      because: NO_RESPONSES,
      outcomes: [{ status: 200, header: null, end: '', isFromUpstream: true }],
    },
    'fails a response with a plugin that throws': {
      because: NO_RESPONSES,
      outcomes: [LET_THROUGH],
    },
  },
});
