import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from './load-config.ts';

const folder = join(import.meta.dirname, '../../../../conf/docker');
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

test('there is a configuration for each service of the compose stack', () => {
  expect(files.toSorted()).toEqual(['admin-api.yaml', 'data-plane.yaml', 'runner-manager.yaml']);
});

test.each(files)('conf/docker/%s loads, and every key in it has an effect', (file) => {
  expect(loadConfig(join(folder, file), {}).withoutEffect).toEqual([]);
});
