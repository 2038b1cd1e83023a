import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';

export interface SaslConfig {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly user: string;
  readonly password: string;
}

/** More would keep a worker busy on a broker's word. */
const ITERATIONS_MAX = 100_000;

/** `exchange` hands bytes to the broker and answers its. Rejects when one does not know the other. */
export async function authenticate(
  { mechanism, user, password }: SaslConfig,
  exchange: (message: Buffer) => Promise<Buffer>,
): Promise<void> {
  if (mechanism === 'PLAIN') {
    await exchange(Buffer.from(`\0${user}\0${password}`));
    return;
  }
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
  const nonce = randomBytes(24).toString('base64');
  const name = user.replaceAll('=', '=3D').replaceAll(',', '=2C');
  const clientFirst = `n=${name},r=${nonce}`;
  const serverFirst = (await exchange(Buffer.from(`n,,${clientFirst}`))).toString();
  const { r = '', s = '', i = '' } = attributesOf(serverFirst);
  const iterations = Number(i);
  if (!r.startsWith(nonce) || !(iterations > 0 && iterations <= ITERATIONS_MAX)) {
    throw new Error('the broker does not keep to SCRAM');
  }

  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  const keyBytes = hash === 'sha256' ? 32 : 64;
  const salted = pbkdf2Sync(password, Buffer.from(s, 'base64'), iterations, keyBytes, hash);
  const clientKey = hmac(salted, 'Client Key');
  const clientFinal = `c=biws,r=${r}`;
  const signed = `${clientFirst},${serverFirst},${clientFinal}`;
  const storedKey = createHash(hash).update(clientKey).digest();
  const signature = hmac(storedKey, signed);
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)));
  const answer = await exchange(Buffer.from(`${clientFinal},p=${proof.toString('base64')}`));

  const expected = hmac(hmac(salted, 'Server Key'), signed);
  const given = Buffer.from(attributesOf(answer.toString())['v'] ?? '', 'base64');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new Error('the broker does not know the password');
  }
}

function attributesOf(message: string): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}
