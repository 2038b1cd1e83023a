import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { variablesPage } from './variables-page.ts';

test('the page of variables is the one that generating gives', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/variables.md'), 'utf8');
  expect(page).toBe(await variablesPage());
});

test('every variable has its line', async () => {
  const page = await variablesPage();
  for (const name of ['`remote_addr`', '`upstream_status`', '`http_…`', '`ssl_client_verify`']) {
    expect(page).toContain(name);
  }
});
