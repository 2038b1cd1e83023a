import { expect, test } from 'vitest';
import { contextKey } from './context-key.ts';
import { PHASES, PHASE_WIRE_NAME } from './phase.ts';
import { definePlugin } from './plugin.ts';

test('definePlugin() joins definition and handlers', () => {
  const definition = { name: 'p', version: 1, priority: 5, schema: { type: 'object' } };
  const access = (): void => undefined;
  expect(definePlugin(definition, { access })).toEqual({ definition, access });
});

test('every phase has a spelling of its own on the wire', () => {
  expect(new Set(PHASES.map((phase) => PHASE_WIRE_NAME[phase])).size).toBe(PHASES.length);
});

test('two context keys of one name are two keys', () => {
  expect(contextKey('a')).not.toBe(contextKey('a'));
});
