/*
 * Why a counting caveat has a label: the chain is deterministic.
 */
import { describe, expect, it } from 'vitest';
import { encodeAscii, formatHex } from '#protocol/bytes.ts';
import { addCaveat, signMacaroon } from '#protocol/macaroon.ts';
import { hmac } from '#support/tokens.ts';

describe('two children of one token', () => {
  it('M7: have one signature when narrowed alike, and signatures of their own when a label differs', async () => {
    const parent = await signMacaroon({ identifier: new Uint8Array(66), caveats: [] }, { rootKey: new Uint8Array(32), hmac });
    const child = async (text: string) => formatHex((await addCaveat(parent, { caveat: encodeAscii(text), hmac })).signature);
    expect(await child('max_calls=10:00112233445566ff')).toBe(await child('max_calls=10:00112233445566ff'));
    expect(await child('max_calls=10:00112233445566ff')).not.toBe(await child('max_calls=10:ff66554433221100'));
  });
});
