import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DESYNC_SHAPES } from './desync-shapes.ts';
import { LLHTTP_METHODS, readWithLlhttp } from './llhttp.harness.ts';
import { mutated, randomOf } from './mutate.harness.ts';
import { everyByte, readInPlace, readMessages } from './read-messages.harness.ts';
import type { Message, Reading, Side } from './read-messages.harness.ts';

/** What only we refuse: the words of our error, and why. Anything else is a bug on one side. */
const ONLY_OURS: Readonly<Record<string, string>> = {
  'Expect is not 100-continue': 'RFC 9110 section 10.1.1 lets a server answer 417',
  'HTTP version is invalid': 'llhttp reads RTSP and ICE, and blanks before the version',
  'HTTP version is not supported': 'llhttp reads HTTP/0.9 and HTTP/2.0 lines',
  'Host is invalid': 'RFC 9112 section 3.2: 400; llhttp does not look at Host',
  'more than one Host': 'RFC 9112 section 3.2: 400',
  'no Host': 'RFC 9112 section 3.2: 400',
  'no HTTP version': 'llhttp reads HTTP/0.9',
  'method is not allowed': 'no CONNECT and no TRACE, as nginx',
  'method is reserved': 'RFC 9113 section 3.4: PRI is for the preface',
  'no request line': 'llhttp skips any number of CR and LF before a request',
  'target is invalid': 'llhttp skips blanks before a target, and takes userinfo',
  'control character in the reason': 'llhttp does not look at the reason',
  'no HTTP/1 response': 'llhttp skips CR and LF before a response, and reads RTSP and ICE',
  'status is invalid': 'llhttp reads a status below 100',
  'Content-Length is invalid': 'llhttp finds out at the end of the head',
  'Transfer-Encoding in HTTP/1.0': 'RFC 9112 section 6.1: the framing is faulty',
  'Transfer-Encoding is invalid':
    'llhttp finds out at the end, or reads a response until it is closed',
  'Transfer-Encoding is not supported': 'llhttp leaves other codings to its user',
  'more than one Transfer-Encoding': 'llhttp reads several as one list',
  'chunk extension is invalid': 'llhttp takes some that RFC 9112 section 7.1.1 does not',
  'chunk extensions are too long': 'llhttp sets no limit',
  'chunk size is too long': 'llhttp sets no limit to leading zeros',
  'chunk size is too large': 'llhttp counts to 2^64',
  'too many header fields': 'a limit of ours',
};

type Excuse = (ours: Reading, bytes: string) => boolean;
const isInTrailers: Excuse = (ours) =>
  ours.messages.some(({ headers }) => headers.some((value) => /^chunked$/i.test(value)));

/** What only llhttp refuses: the start of its error, and when we do not. */
const ONLY_LLHTTPS: readonly [start: string, may: Excuse][] = [
  // any token goes to the upstream, as in nginx
  ['HPE_INVALID_METHOD', (ours, bytes) => startLines(ours, bytes).some(hasOtherMethod)],
  // bytes from 0x80 on pass, as in nginx
  ['HPE_INVALID_URL', (ours, bytes) => startLines(ours, bytes).some(hasHighByte)],
  // the preface is for HTTP/2's engine from there on
  ['HPE_INVALID_VERSION', (ours) => ours.messages.at(-1)?.method === 'PRI'],
  // fields that frame are dropped from trailers, and mean nothing there
  ['HPE_INVALID_TRANSFER_ENCODING', isInTrailers],
  ['HPE_INVALID_CONTENT_LENGTH', isInTrailers],
  ['HPE_UNEXPECTED_CONTENT_LENGTH', isInTrailers],
  ['HPE_CLOSED_CONNECTION', isInTrailers],
];

/** The suite tries the same messages each time; with more time given, others each time. */
const FUZZ_SECONDS = process.env['POLYGATE_FUZZ_SECONDS'];
const SECONDS = Number(FUZZ_SECONDS ?? 3);
const SEED_OF_TODAY = FUZZ_SECONDS === undefined ? 1 : Date.now() % 1_000_000_000;
const SEED = Number(process.env['POLYGATE_FUZZ_SEED'] ?? SEED_OF_TODAY);
const FOUND_MAX = 20;
const SIDES = ['request', 'response'] as const;
const corpora: Record<Side, string[]> = {
  request: corpus('requests'),
  response: corpus('responses'),
};

describe('our parser beside llhttp', () => {
  it.each(SIDES)('agrees on every %s of the corpus', (side) => {
    const found = corpora[side].map((bytes) => disagreement(bytes, side));
    expect(found.filter((one) => one !== undefined)).toEqual([]);
  });

  it('is at least as strict on every desync shape', () => {
    for (const { bytes, side } of DESYNC_SHAPES) {
      const buffer = Buffer.from(bytes, 'latin1');
      const isRefused = readWithLlhttp(buffer, side).error !== undefined;
      if (isRefused) expect(readMessages(buffer, side).error).toBeDefined();
    }
  });

  it.each(SIDES)(
    `agrees on mutated %ss, seed ${SEED}`,
    (side) => {
      const random = randomOf(SEED);
      const until = Date.now() + (SECONDS * 1_000) / SIDES.length;
      const seeds = [...corpora[side], ...shapes(side)];
      const found: string[] = [];
      let accepted = 0;
      let count = 0;
      while (Date.now() < until && found.length < FOUND_MAX) {
        const bytes = mutated(seeds, random);
        const what = disagreement(bytes, side) ?? cutDifference(bytes, side, random);
        if (what !== undefined) found.push(what);
        else if (readMessages(Buffer.from(bytes, 'latin1'), side).error === undefined) accepted++;
        count++;
      }
      expect(found).toEqual([]);
      // a fuzzer whose messages are all refused compares nothing
      expect(accepted / count).toBeGreaterThan(0.05);
    },
    (SECONDS + 60) * 1_000,
  );
});

function corpus(name: string): string[] {
  const text = readFileSync(new URL(`corpus/${name}.txt`, import.meta.url), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => JSON.parse(line) as string);
}

function shapes(side: Side): string[] {
  const short = DESYNC_SHAPES.filter((shape) => shape.side === side && shape.bytes.length < 1_000);
  return short.map(({ bytes }) => bytes);
}

/** What differs, with the bytes as a line for the corpus; undefined: nothing that should not. */
function disagreement(bytes: string, side: Side): string | undefined {
  const buffer = Buffer.from(bytes, 'latin1');
  const ours = readMessages(buffer, side);
  const theirs = readWithLlhttp(buffer, side);
  if (ours.messages.some(isReadOtherwise)) return undefined;
  const what = verdictDifference(ours, theirs, bytes, side) ?? readingDifference(ours, theirs);
  return what === undefined ? undefined : `${what}, corpus line: ${JSON.stringify(bytes)}`;
}

/** Whole, cut where chance wants it, and in place, the same bytes are to be read the same. */
function cutDifference(bytes: string, side: Side, random: () => number): string | undefined {
  const buffer = Buffer.from(bytes, 'latin1');
  const isRare = random() < 0.1;
  const cuts = isRare ? everyByte(buffer) : everyByte(buffer).filter(() => random() < 0.03);
  const whole = JSON.stringify(readMessages(buffer, side));
  const cut = JSON.stringify(readMessages(buffer, side, cuts));
  if (whole !== JSON.stringify(readInPlace(buffer, side, Math.floor(random() * 4)))) {
    return `read in place otherwise, corpus line: ${JSON.stringify(bytes)}`;
  }
  if (whole === cut) return undefined;
  return `cut at ${cuts.join()}: ${cut}, corpus line: ${JSON.stringify(bytes)}`;
}

function verdictDifference(
  ours: Reading,
  theirs: Reading,
  bytes: string,
  side: Side,
): string | undefined {
  if (ours.error !== undefined && theirs.error === undefined) {
    // llhttp stops at a switch of protocols, whatever body the request announced
    if (endsReading(theirs) && ours.messages.length >= theirs.messages.length) return undefined;
    const { reason } = ours.error;
    return reason in ONLY_OURS || endsReading(ours) ? undefined : `only we refuse: ${reason}`;
  }
  if (ours.error === undefined && theirs.error !== undefined) {
    const { reason } = theirs.error;
    if (ONLY_LLHTTPS.some(([start, may]) => reason.startsWith(start) && may(ours, bytes))) return;
    return isRefusedLater(bytes, side) ? undefined : `only llhttp refuses: ${reason}`;
  }
  return undefined;
}

/** We look at values that frame when their line ends, llhttp at each byte. */
function isRefusedLater(bytes: string, side: Side): boolean {
  return readMessages(Buffer.from(`${bytes}\r\n\r\n`, 'latin1'), side).error !== undefined;
}

function readingDifference(ours: Reading, theirs: Reading): string | undefined {
  const isOver = endsReading(ours) || endsReading(theirs);
  const isCut = ours.error !== undefined || theirs.error !== undefined || isOver;
  const count = Math.min(ours.messages.length, theirs.messages.length);
  if (!isCut && ours.messages.length !== theirs.messages.length) {
    return `${ours.messages.length} messages, for llhttp ${theirs.messages.length}`;
  }
  for (let i = 0; i < count; i++) {
    const one = ours.messages[i] as Message;
    const other = theirs.messages[i] as Message;
    const what = headDifference(one, other) ?? bodyDifference(one, other, isCut && i === count - 1);
    if (what !== undefined) return `${what} of message ${i} differs`;
  }
  return undefined;
}

/** Where llhttp goes on another way, so that what follows cannot be compared. */
function isReadOtherwise({ status, minorVersion, headers }: Message): boolean {
  // RFC 9112 section 6.3: no 1xx has a body; llhttp knows that of 100 and 101 only
  const isFramed = headers.some((name) => /^(content-length|transfer-encoding)$/i.test(name));
  if (status > 101 && status < 200 && isFramed) return true;
  // close and keep-alive together: close wins for us; for llhttp not in HTTP/1.0
  const options = headers.filter((_, i) => /connection$/i.test(headers[i - 1] ?? '')).join();
  return minorVersion === 0 && /close/i.test(options) && /keep-alive/i.test(options);
}

/** After HTTP/2's preface, or a switch of protocols, the bytes are no longer the parser's. */
function endsReading({ messages }: Reading): boolean {
  const last = messages.at(-1);
  return last !== undefined && (last.upgrade || last.method === 'PRI');
}

function headDifference(ours: Message, theirs: Message): string | undefined {
  const fields = ['method', 'target', 'status', 'minorVersion', 'headers'] as const;
  const field = fields.find((name) => JSON.stringify(ours[name]) !== JSON.stringify(theirs[name]));
  if (field !== undefined) return field;
  // of responses llhttp says so only together with other things
  const isRequest = ours.status === 0;
  if (isRequest && ours.minorVersion === 1 && ours.upgrade !== theirs.upgrade) return 'upgrade';
  // llhttp reads Proxy-Connection as if it were Connection
  const isProxys = ours.headers.some((name) => /^proxy-connection$/i.test(name));
  if (isRequest && !isProxys && ours.keepAlive !== theirs.keepAlive) return 'keep-alive';
  return undefined;
}

function bodyDifference(ours: Message, theirs: Message, isCut: boolean): string | undefined {
  if (isCut) {
    const isPrefix = ours.body.startsWith(theirs.body) || theirs.body.startsWith(ours.body);
    return isPrefix ? undefined : 'body';
  }
  if (ours.body !== theirs.body) return 'body';
  if (ours.isComplete !== theirs.isComplete) return 'end';
  const trailers = theirs.trailers.join('\n');
  for (let i = 0; i < ours.trailers.length; i += 2) {
    if (!trailers.includes(`${ours.trailers[i]}\n${ours.trailers[i + 1]}`)) return 'trailer';
  }
  return undefined;
}

/** Of the messages we read, and what may be the beginning of one that has not ended. */
function startLines(ours: Reading, bytes: string): string[] {
  const begun = bytes.split('\r\n').filter((line) => /^[A-Z_-]+(?: |$)/.test(line));
  return [...ours.messages.map(({ method, target }) => `${method} ${target}`), ...begun];
}

function hasOtherMethod(line: string): boolean {
  return !LLHTTP_METHODS.has(line.replace(/ .*$/s, ''));
}

function hasHighByte(line: string): boolean {
  return /^[^ ]+ [^ ]*[\x80-\xff]/.test(line);
}
