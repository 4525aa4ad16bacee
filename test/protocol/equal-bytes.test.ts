/*
 * The comparison of secrets: how much of them it reads tells nothing of where they differ.
 */
import { describe, expect, it } from 'vitest';
import { equalBytes } from '#protocol/bytes.ts';

/** Bytes that count how many of them are read. */
function countReads(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly count: () => number } {
  let reads = 0;
  const counting = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads += 1;
      return Reflect.get(target, key, target) as unknown;
    },
  });
  return { bytes: counting, count: () => reads };
}

describe('comparing secrets', () => {
  it('reads every byte of both, wherever the first difference is', () => {
    const secret = Uint8Array.from({ length: 32 }, (_, index) => index);
    for (const differs of [undefined, 0, 1, 15, 31]) {
      const guess = secret.slice();
      if (differs !== undefined) guess[differs]! ^= 1;
      const [left, right] = [countReads(secret), countReads(guess)];
      expect(equalBytes(left.bytes, right.bytes)).toBe(differs === undefined);
      expect([left.count(), right.count()]).toEqual([32, 32]);
    }
  });

  it('finds every single bit, and texts of another length are never equal', () => {
    const secret = new Uint8Array(32).fill(0xa5);
    for (let bit = 0; bit < 256; bit++) {
      const guess = secret.slice();
      guess[bit >> 3]! ^= 1 << (bit & 7);
      expect(equalBytes(secret, guess)).toBe(false);
    }
    expect(equalBytes(secret, secret.slice(0, 31))).toBe(false);
    expect(equalBytes(new Uint8Array(), new Uint8Array())).toBe(true);
  });
});
