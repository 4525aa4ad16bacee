/*
 * The adapters behind the Hmac port, in the runtime that they run in.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeHmac } from '#adapters/node-hmac.ts';
import { webcryptoHmac } from '#adapters/webcrypto-hmac.ts';
import { formatHex } from '#protocol/bytes.ts';

const text = (value: string) => new TextEncoder().encode(value);

describe.each([
  ['node:crypto', nodeHmac],
  ['WebCrypto', webcryptoHmac],
])('HMAC-SHA256 on %s', (_, hmac) => {
  it('computes what RFC 4231 says (test case 2)', async () => {
    const expected = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843';
    expect(formatHex(await hmac(text('Jefe'), text('what do ya want for nothing?')))).toBe(expected);
  });
});

it('both compute the same for every key and message', async () => {
  const bytes = (minLength: number) => fc.uint8Array({ minLength, maxLength: 200 });
  const same = fc.asyncProperty(bytes(1), bytes(0), async (key, message) => {
    expect(formatHex(await nodeHmac(key, message))).toBe(formatHex(await webcryptoHmac(key, message)));
  });
  await fc.assert(same, { numRuns: 200 });
});
