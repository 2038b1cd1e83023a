// Test-only: a name server that speaks the real protocol, as far as A, AAAA and SRV go.
import dgram from 'node:dgram';

const TYPES: Readonly<Record<number, 'A' | 'AAAA' | 'SRV'>> = { 1: 'A', 28: 'AAAA', 33: 'SRV' };

export interface ServiceTarget {
  readonly target: string;
  readonly port: number;
  readonly weight: number;
  readonly priority?: number;
}

export interface TestName {
  readonly A?: readonly string[];
  /** `fd00::1` only. */
  readonly AAAA?: readonly string[];
  readonly SRV?: readonly ServiceTarget[];
  readonly ttl?: number;
  /** The server answers SERVFAIL. */
  readonly isBroken?: boolean;
}

export class TestNameServer {
  readonly asked: string[] = [];
  zone: Record<string, TestName> = {};
  isSilent = false;
  address = '';
  readonly #socket = dgram.createSocket('udp4');

  async start(): Promise<this> {
    this.#socket.on('message', (question, { address, port }) => {
      const answer = this.#answer(question);
      if (!this.isSilent) this.#socket.send(answer, port, address);
    });
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    this.address = `127.0.0.1:${this.#socket.address().port}`;
    return this;
  }

  stop(): void {
    this.#socket.close();
  }

  #answer(question: Buffer): Buffer {
    const { name, end } = readName(question);
    const type = TYPES[question.readUInt16BE(end)] ?? 'A';
    this.asked.push(`${name} ${type}`);
    const entry = this.zone[name];
    const isBroken = entry?.isBroken === true;
    const data = entry === undefined || isBroken ? [] : dataOf(entry, type);
    const header = Buffer.alloc(12);
    question.copy(header, 0, 0, 2);
    const code = isBroken ? 2 : entry === undefined ? 3 : 0;
    header.writeUInt16BE(0x8180 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(data.length, 6);
    const records = data.map((bytes) => {
      const record = Buffer.alloc(12);
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(question.readUInt16BE(end), 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt32BE(entry?.ttl ?? 60, 6);
      record.writeUInt16BE(bytes.length, 10);
      return Buffer.concat([record, bytes]);
    });
    return Buffer.concat([header, question.subarray(12, end + 4), ...records]);
  }
}

function readName(question: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (question[at] !== 0) {
    const length = question[at] as number;
    labels.push(question.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function dataOf(entry: TestName, type: 'A' | 'AAAA' | 'SRV'): Buffer[] {
  if (type === 'SRV') return (entry.SRV ?? []).map(serviceData);
  return type === 'A' ? (entry.A ?? []).map(ipv4) : (entry.AAAA ?? []).map(ipv6);
}

function serviceData({ target, port, weight, priority = 0 }: ServiceTarget): Buffer {
  const numbers = Buffer.alloc(6);
  [priority, weight, port].forEach((number, i) => numbers.writeUInt16BE(number, i * 2));
  const labels = target.split('.').map((label) => {
    return Buffer.concat([Buffer.of(label.length), Buffer.from(label)]);
  });
  return Buffer.concat([numbers, ...labels, Buffer.of(0)]);
}

function ipv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

function ipv6(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(parseInt(head, 16), 0);
  bytes.writeUInt16BE(parseInt(tail, 16), 14);
  return bytes;
}
