import { createCipheriv, createHmac } from 'node:crypto';
import type { CostCase } from './cost-cases.ts';

const SECRET = 'a-secret-of-thirty-two-bytes-long';
const DAY_S = 86_400;

/** Of the plugins that verify what clients signed or encrypted. */
export function signedRequests(): readonly CostCase[] {
  return [
    {
      plugin: 'jwt-auth',
      conf: {},
      consumer: { 'jwt-auth': { key: 'jwt-key', secret: SECRET } },
      headers: { Authorization: jsonWebToken() },
      beyond: 'cryptography',
    },
    {
      plugin: 'hmac-auth',
      conf: { clock_skew: DAY_S },
      consumer: { 'hmac-auth': { key_id: 'hmac-key', secret_key: SECRET } },
      headers: signedHeaders(),
      beyond: 'cryptography',
    },
    {
      plugin: 'jwe-decrypt',
      conf: { header: 'Authorization', forward_header: 'Authorization' },
      consumer: { 'jwe-decrypt': { key: 'jwe-key', secret: SECRET.slice(0, 32) } },
      headers: { Authorization: encryptedToken() },
      beyond: 'cryptography',
    },
  ];
}

const base64Url = (value: object): string =>
  Buffer.from(JSON.stringify(value)).toString('base64url');

function jsonWebToken(): string {
  const exp = Math.floor(Date.now() / 1000) + DAY_S;
  const signed = `${base64Url({ alg: 'HS256', typ: 'JWT' })}.${base64Url({ key: 'jwt-key', exp })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

function signedHeaders(): Readonly<Record<string, string>> {
  const date = new Date().toUTCString();
  const text = `hmac-key\nGET /with/hmac-auth/items/1\ndate: ${date}\n`;
  const signature = createHmac('sha256', SECRET).update(text).digest('base64');
  const authorization =
    'Signature keyId="hmac-key",algorithm="hmac-sha256",headers="@request-target date",' +
    `signature="${signature}"`;
  return { Date: date, Authorization: authorization };
}

function encryptedToken(): string {
  const header = base64Url({ alg: 'dir', kid: 'jwe-key', enc: 'A256GCM' });
  const iv = Buffer.alloc(12, 7);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(SECRET.slice(0, 32)), iv);
  const encrypted = Buffer.concat([cipher.update('hello'), cipher.final()]);
  const parts = [iv, encrypted, cipher.getAuthTag()].map((part) => part.toString('base64url'));
  return `${header}..${parts.join('.')}`;
}
