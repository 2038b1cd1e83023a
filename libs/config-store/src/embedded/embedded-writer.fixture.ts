/**
 * Run as a process of its own by embedded-store.test.ts: writes without pause until it is killed
 * and prints the number of each write once it is acknowledged. `node … <file>`
 */
import { writeSync } from 'node:fs';
import { openEmbeddedStore } from './embedded-store.ts';
import { silentLog as log } from '../watch-recorder.ts';

const store = openEmbeddedStore({ file: process.argv[2] ?? '', log });
for (let n = 0; ; n += 1) {
  const { item } = await store.put(`/routes/${n % 7}`, { n, text: 'x'.repeat(n % 5000) });
  if (n % 3 === 0) await store.put(`/services/${n}`, { n });
  writeSync(1, `${n} ${item.modifiedIndex}\n`);
}
