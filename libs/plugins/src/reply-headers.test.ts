import { expect, test } from 'vitest';
import { addReplyHeader, type ReplyHeaders } from './reply-headers.ts';

test('a header is added to the one of its name, unless there can be but one', () => {
  const headers: ReplyHeaders = { 'Content-Type': 'text/plain' };
  addReplyHeader(headers, 'content-type', 'application/json');
  addReplyHeader(headers, 'X-A', '1');
  addReplyHeader(headers, 'x-a', '2');
  addReplyHeader(headers, 'X-A', '3');
  expect(headers).toEqual({ 'Content-Type': 'application/json', 'X-A': ['1', '2', '3'] });
});
