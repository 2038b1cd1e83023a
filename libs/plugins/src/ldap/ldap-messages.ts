import { BER, berElement, berInteger, berString } from './ber.ts';
import { readBerElements, readBerInteger, type BerElement } from './ber.ts';

/** RFC 4511, LDAPResult. */
export interface LdapResult {
  /** 0: success. */
  readonly code: number;
  readonly diagnostic: string;
}

/** Entries anywhere below a base that have a value. */
export interface LdapSearch {
  readonly baseDn: string;
  readonly attribute: string;
  /** As it is: nothing of it is a filter. */
  readonly value: string;
  readonly entriesMax: number;
  /** 0: as long as the server likes. */
  readonly timeLimitSeconds: number;
}

/** Tags of the operations that are used. */
export const LDAP = {
  bindRequest: 0x60,
  bindResponse: 0x61,
  searchRequest: 0x63,
  searchEntry: 0x64,
  searchDone: 0x65,
  searchReference: 0x73,
  extendedRequest: 0x77,
  extendedResponse: 0x78,
} as const;

export const LDAP_SUCCESS = 0;
export const SIZE_LIMIT_EXCEEDED = 4;
export const INVALID_CREDENTIALS = 49;

const RESULT_NAMES: ReadonlyMap<number, string> = new Map([
  [SIZE_LIMIT_EXCEEDED, 'Size limit exceeded'],
  [13, 'Confidentiality required'],
  [32, 'No such object'],
  [34, 'Invalid DN'],
  [INVALID_CREDENTIALS, 'The supplied credential is invalid'],
]);

/** For the log, in the words of lua-resty-ldap. */
export function describeResult(operation: string, { code, diagnostic }: LdapResult): string {
  const name = RESULT_NAMES.get(code) ?? `Unknown error occurred (code: ${code})`;
  return `${operation} failed, error: ${name}, details: ${diagnostic}`;
}

const VERSION = 3;
const SIMPLE_PASSWORD = 0x80;
const EQUALITY = 0xa3;
const REQUEST_NAME = 0x80;
const START_TLS = '1.3.6.1.4.1.1466.20037';
/** RFC 4511, maxInt. */
const INTEGER_MAX = 0x7fff_ffff;
const WHOLE_SUBTREE = 2;
const ALWAYS_DEREFERENCE = 3;
const FALSE = berElement(0x01, Buffer.from([0]));
/** Of an entry its name is enough (RFC 4511, 4.5.1.8). */
const NO_ATTRIBUTES = '1.1';

export function bindRequest(dn: string, password: Buffer): Buffer {
  return berElement(
    LDAP.bindRequest,
    ...[berInteger(VERSION), berString(dn), berElement(SIMPLE_PASSWORD, password)],
  );
}

export function startTlsRequest(): Buffer {
  return berElement(LDAP.extendedRequest, berElement(REQUEST_NAME, Buffer.from(START_TLS)));
}

export function searchRequest(search: LdapSearch): Buffer {
  const enumerated = (value: number) => berElement(BER.enumerated, Buffer.from([value]));
  return berElement(
    LDAP.searchRequest,
    ...[berString(search.baseDn), enumerated(WHOLE_SUBTREE), enumerated(ALWAYS_DEREFERENCE)],
    ...[
      berInteger(limitOf(search.entriesMax)),
      berInteger(limitOf(search.timeLimitSeconds)),
      FALSE,
    ],
    berElement(EQUALITY, berString(search.attribute), berString(search.value)),
    berElement(BER.sequence, berString(NO_ATTRIBUTES)),
  );
}

/** A conf may have more than the protocol has numbers for. */
function limitOf(number: number): number {
  return Math.min(number, INTEGER_MAX);
}

/** Throws a RangeError where it is none. */
export function readResult({ contents }: BerElement): LdapResult {
  const [code, , diagnostic] = readBerElements(contents);
  if (code?.tag !== BER.enumerated) throw new RangeError('result without a code');
  return { code: readBerInteger(code), diagnostic: diagnostic?.contents.toString() ?? '' };
}

/** The name of an entry that was found. Throws a RangeError where there is none. */
export function readEntryDn({ contents }: BerElement): string {
  const [dn] = readBerElements(contents);
  if (dn?.tag !== BER.octetString) throw new RangeError('entry without a name');
  return dn.contents.toString();
}
