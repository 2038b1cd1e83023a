import { readMessages, everyByte } from './read-messages.harness.ts';
import { readWithLlhttp } from './llhttp.harness.ts';
const t = (s: string, side: 'request' | 'response' = 'request') => {
  const b = Buffer.from(s, 'latin1');
  console.log(JSON.stringify(s));
  console.log(' ours', JSON.stringify(readMessages(b, side)));
  console.log(
    ' drip same',
    JSON.stringify(readMessages(b, side)) === JSON.stringify(readMessages(b, side, everyByte(b))),
  );
  console.log(' llh ', JSON.stringify(readWithLlhttp(b, side)));
};
t('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
t(
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n',
);
t('GET /\xe9#a HTTP/1.1\r\nHost: a\r\n\r\n');
t('FOO / HTTP/1.1\r\nHost: a\r\n\r\n');
t('GET /a#b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET ');
t('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\nabc');
t(
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 304 X\r\nContent-Length: 4\r\n\r\n',
  'response',
);
t('HTTP/1.1 200 OK\r\nA: b\r\n\r\nabc', 'response');
t(
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c="d";e\r\nhello\r\n0\r\n\r\n',
);
t('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 ;a=b\r\nhello\r\n0\r\n\r\n');
t('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5; a=b\r\nhello\r\n0\r\n\r\n');
t('GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n');
