import { randomFillSync } from 'node:crypto';

const ID_BYTES = 16;
const POOL_BYTES = 256 * ID_BYTES;

const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/** 32 hexadecimal digits, as nginx's $request_id. Many are drawn from the system at once. */
export function randomId(): string {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  used += ID_BYTES;
  return pool.toString('hex', used - ID_BYTES, used);
}
