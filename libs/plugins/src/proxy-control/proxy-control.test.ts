import { MemoryContext, memoryLog, validConf } from '@polygate/testing';
import type { PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './proxy-control.ts';

/** Whether the body was read before the request goes on. */
function isBuffered(request: PluginRequest): boolean {
  const ctx = new MemoryContext(request, memoryLog());
  return plugin.rewrite?.(ctx, { request_buffering: true }) instanceof Promise;
}

const sized = (bytes: number): PluginRequest => ({
  method: 'POST',
  body: 'x',
  headers: { 'Content-Length': String(bytes) },
});

describe('proxy-control', () => {
  test('reads a small body before the upstream is asked', () => {
    expect(isBuffered(sized(1))).toBe(true);
    expect(isBuffered(sized(1_048_576))).toBe(true);
  });

  test('streams a large one, and one of unknown size', () => {
    expect(isBuffered(sized(1_048_577))).toBe(false);
    expect(isBuffered({ method: 'POST', body: 'x' })).toBe(false);
    expect(isBuffered({})).toBe(false);
  });

  test('has nothing to do when bodies are to be streamed', () => {
    expect(plugin.runsIn?.('rewrite', { request_buffering: false })).toBe(false);
    expect(plugin.runsIn?.('rewrite', validConf(plugin.definition, {}))).toBe(true);
  });

  test('refuses what is no boolean', () => {
    expect(() => validConf(plugin.definition, { request_buffering: 1 })).toThrow(
      'property "request_buffering" validation failed: wrong type: expected boolean, got number',
    );
  });
});
