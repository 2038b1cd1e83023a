import { FakeClock } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { allocateCache, SharedCacheMemory } from './shared-cache-memory.ts';

const MEBIBYTE = 1024 * 1024;

function cacheOf(bytes: number, clock = new FakeClock(1000)): SharedCacheMemory {
  return new SharedCacheMemory(allocateCache(bytes), clock.now);
}

describe('SharedCacheMemory', () => {
  test('gives back what was set, until it is deleted', () => {
    const cache = cacheOf(MEBIBYTE);
    expect(cache.set('a', [Buffer.from('hello '), Buffer.from('world')], 1000)).toBe(true);
    expect(cache.get('a')?.value.toString()).toBe('hello world');
    expect(cache.get('b')).toBeUndefined();
    cache.delete('a');
    expect(cache.get('a')).toBeUndefined();
  });

  test('says of what is past its time that it is', () => {
    const clock = new FakeClock(1000);
    const cache = cacheOf(MEBIBYTE, clock);
    cache.set('a', [Buffer.from('x')], 500);
    expect(cache.get('a')?.isExpired).toBe(false);
    clock.advance(500);
    expect(cache.get('a')).toEqual({ value: Buffer.from('x'), isExpired: true });
  });

  test('is one cache for all that share the memory', () => {
    const memory = allocateCache(MEBIBYTE);
    new SharedCacheMemory(memory).set('a', [Buffer.from('1')], 1000);
    expect(new SharedCacheMemory(memory).get('a')?.value.toString()).toBe('1');
  });

  test('takes nothing that would push out a quarter of the rest', () => {
    const cache = cacheOf(MEBIBYTE);
    expect(cache.set('a', [Buffer.alloc(MEBIBYTE / 2)], 1000)).toBe(false);
    expect(cache.get('a')).toBeUndefined();
  });

  test('keeps what is used, and forgets what is not, however much is written', () => {
    const cache = cacheOf(MEBIBYTE);
    cache.set('kept', [Buffer.from('kept')], 60_000);
    cache.set('unused', [Buffer.from('unused')], 60_000);
    for (let i = 0; i < 5000; i++) {
      const value = Buffer.alloc(100 + ((i * 7919) % 5000), i % 256);
      expect(cache.set(`key-${i}`, [value], 60_000)).toBe(true);
      expect(cache.get(`key-${i}`)?.value.equals(value)).toBe(true);
      expect(cache.get('kept')?.value.toString()).toBe('kept');
    }
    expect(cache.get('unused')).toBeUndefined();
    expect(cache.get('key-0')).toBeUndefined();
  });

  test('keeps every value apart from the others', () => {
    const cache = cacheOf(4 * MEBIBYTE);
    const keys = Array.from({ length: 500 }, (_, i) => `${'k'.repeat(i % 50)}${i}`);
    for (const key of keys) cache.set(key, [Buffer.from(`value of ${key}`)], 60_000);
    for (const key of keys) expect(cache.get(key)?.value.toString()).toBe(`value of ${key}`);
  });

  test('starts anew where a thread died in the middle of its work', () => {
    const memory = allocateCache(MEBIBYTE);
    const cache = new SharedCacheMemory(memory);
    cache.set('a', [Buffer.from('1')], 60_000);
    new Int32Array(memory)[0] = 1;
    expect(cache.get('a')).toBeUndefined();
    cache.set('a', [Buffer.from('2')], 60_000);
    expect(cache.get('a')?.value.toString()).toBe('2');
  });
});
