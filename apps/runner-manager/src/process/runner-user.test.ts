import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findRunnerUser } from './runner-user.ts';

const folder = mkdtempSync(join(tmpdir(), 'pg-user-'));
afterAll(() => rmSync(folder, { recursive: true }));
const passwd = join(folder, 'passwd');
writeFileSync(passwd, 'root:x:0:0::/:/bin/sh\nrunner:x:1001:2002::/:/bin/sh\nbroken:x::\n');

test('a user is found by name or number; an unlisted number has the group of that number', () => {
  expect(findRunnerUser('runner', passwd)).toEqual({ uid: 1001, gid: 2002 });
  expect(findRunnerUser('1001', passwd)).toEqual({ uid: 1001, gid: 2002 });
  expect(findRunnerUser('4711', passwd)).toEqual({ uid: 4711, gid: 4711 });
});

test('whom nobody knows is refused, and never becomes root', () => {
  expect(() => findRunnerUser('nobody-here', passwd)).toThrow('there is no user nobody-here');
  expect(() => findRunnerUser('broken', passwd)).toThrow('the user broken has no number');
  expect(() => findRunnerUser('', passwd)).toThrow();
  expect(() => findRunnerUser('4294967295', passwd)).toThrow('has no number');
});
