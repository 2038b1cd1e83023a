import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Session } from './session.ts';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM with a key that comes of `session.secret`. What is sealed is bound to its context (the
 * client and its provider) and to where it is kept: no session of another route, and none that was
 * moved to another place of the store, opens here.
 */
export class SessionSeal {
  readonly #key: Buffer;
  readonly #context: readonly string[];

  constructor(secret: string, context: readonly string[]) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'openid-connect session', 32));
    this.#context = context;
  }

  /** In base64url. */
  seal(session: Session): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(this.#bound(session.id));
    const text = Buffer.concat([cipher.update(JSON.stringify(session)), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
  }

  /** Undefined for what was not written with this secret, or was tampered with: the same as none. */
  open(text: string, id?: string): Session | undefined {
    const sealed = Buffer.from(text, 'base64url');
    if (sealed.length <= IV_BYTES + TAG_BYTES) return undefined;
    const iv = sealed.subarray(0, IV_BYTES);
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv('aes-256-gcm', this.#key, iv, options)
      .setAAD(this.#bound(id))
      .setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      const opened = Buffer.concat([
        decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)),
        decipher.final(),
      ]);
      return JSON.parse(opened.toString()) as Session;
    } catch {
      // see above: why it does not open is of no use to anybody
      return undefined;
    }
  }

  #bound(id: string | undefined): Buffer {
    return Buffer.from(JSON.stringify(id === undefined ? this.#context : [...this.#context, id]));
  }
}
