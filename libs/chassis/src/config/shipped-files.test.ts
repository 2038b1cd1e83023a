import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfigText } from './config-text.ts';
import { isMapping, type KeyRule } from './keys/key-rules.ts';
import { KNOWN_KEYS } from './keys/known-keys.ts';
import { loadConfig } from './load-config.ts';

const conf = join(import.meta.dirname, '../../../../conf');
const shipped = join(conf, 'config.yaml');
const example = join(conf, 'config.example.yaml');

/** With the settings that a `#` right before them switches off. */
const uncommented = readFileSync(example, 'utf8').replaceAll(/^( *)#(?=[^ \n])/gm, '$1');
const env = { ADMIN_KEY: 'k', ETCD_PASSWORD: 'p' };

test('the shipped configuration loads, stays on this machine and warns of nothing', () => {
  const config = loadConfig(shipped, {});
  expect(config.configProvider).toBe('embedded');
  expect(config.nodeListen.map(({ host }) => host)).toEqual(['127.0.0.1']);
  expect(config.admin.listen.host).toBe('127.0.0.1');
  expect([config.withoutEffect, config.warnings]).toEqual([[], []]);
});

test('the example shows the defaults as they are', () => {
  const { file, polygate, accessLog, ...shown } = loadConfig(example, {});
  const empty = join(mkdtempSync(join(tmpdir(), 'chassis-')), 'conf', 'config.yaml');
  mkdirSync(dirname(empty));
  writeFileSync(empty, '');
  const { polygate: defaults, ...plain } = loadConfig(empty, {});
  rmSync(dirname(dirname(empty)), { recursive: true });
  const { configDir, standaloneFile } = shown;
  expect({ file, accessLog, ...shown }).toEqual({
    ...plain,
    accessLog: { ...plain.accessLog, file: accessLog.file },
    ...{ file, configDir, standaloneFile },
  });
  expect(polygate.dataDir).toBe(join(conf, '../data'));
  expect(accessLog.file).toBe(join(conf, '../data/logs/access.log'));
  const { runnerManager, control, dataDir, runDir } = polygate;
  const { connectTimeoutMs, callTimeoutMs, inFlightMax } = defaults.runnerManager;
  expect(runnerManager).toMatchObject({ connectTimeoutMs, callTimeoutMs, inFlightMax });
  expect(polygate).toEqual({ ...defaults, runnerManager, control, dataDir, runDir });
});

test('every key of the example is known and has an effect, also those switched off', () => {
  const { document, findings } = parseConfigText(uncommented, example, env);
  KNOWN_KEYS.read(document, '', findings);
  expect(findings.problems).toEqual([]);
  expect(findings.withoutEffect).toEqual([]);
});

test('the example leaves out no key that has an effect', () => {
  const { document } = parseConfigText(uncommented, example, env);
  expect(missingKeys(KNOWN_KEYS, document, '')).toEqual([]);
});

/** Of two keys that exclude each other the one that is not shown. */
const ALTERNATIVES: ReadonlySet<string> = new Set(['discovery.dns.resolv_conf']);

function missingKeys(rule: KeyRule<unknown>, written: unknown, path: string): string[] {
  return Object.entries(rule.shape ?? {}).flatMap(([key, child]) => {
    if (child.isUnused) return [];
    const below = isMapping(written) ? written[key] : undefined;
    if (ALTERNATIVES.has(`${path}${key}`)) return [];
    if (below === undefined && !child.shape) return [`${path}${key}`];
    return missingKeys(child, below, `${path}${key}.`);
  });
}
