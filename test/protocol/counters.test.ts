/*
 * Counting caveats as counters: keyed by the signature of the chain at the caveat. M6, M7.
 */
import { describe, expect, it } from 'vitest';
import { encodeAscii } from '#protocol/bytes.ts';
import { decodeCaveat } from '#protocol/caveat.ts';
import { readCounters } from '#protocol/counters.ts';
import { addCaveat, signMacaroon, verifyChain } from '#protocol/macaroon.ts';
import { type Macaroon } from '#protocol/macaroon-codec.ts';
import counterJson from '../vectors/counters.json' with { type: 'json' };
import { asExpected, bytesOf, hexOf, readVectors, type Refused } from './vector.ts';
import { hmac } from './hmac.ts';

interface CounterInput {
  readonly root_key_hex: string;
  readonly identifier_hex: string;
  readonly caveats: readonly string[];
}
interface CounterFacts {
  readonly key_hex: string;
  readonly unit: string;
  readonly limit: number;
  readonly period?: string;
}

const COUNTERS = readVectors<CounterInput, { readonly counters: readonly CounterFacts[] } | Refused>(counterJson);
const ROOT_KEY = new Uint8Array(32).fill(3);

async function countersOf(macaroon: Macaroon, rootKey: Uint8Array = ROOT_KEY) {
  const signatures = await verifyChain(macaroon, { rootKey, hmac });
  const read = readCounters({ signatures: signatures!, caveats: macaroon.caveats.map((caveat) => decodeCaveat(caveat, 'holder')) });
  return asExpected(read, (counters) => ({ counters: counters.map(({ key, ...counter }) => ({ key_hex: hexOf(key), ...counter })) }));
}

describe('M6, M7 the counters of a chain', () => {
  it.each(COUNTERS)('$name: $why', async ({ input, expected }) => {
    const rootKey = bytesOf(input.root_key_hex);
    const caveats = input.caveats.map(encodeAscii);
    expect(
      await countersOf(await signMacaroon({ identifier: bytesOf(input.identifier_hex), caveats }, { rootKey, hmac }), rootKey),
    ).toEqual(expected);
  });

  it('M7 two children count apart, and both share the counter of their parent', async () => {
    const narrow = (macaroon: Macaroon, text: string) => addCaveat(macaroon, { caveat: encodeAscii(text), hmac });
    const sold = await signMacaroon({ identifier: new Uint8Array(66), caveats: [] }, { rootKey: ROOT_KEY, hmac });
    const parent = await narrow(sold, 'max_calls=100:00112233445566ff');
    const children = await Promise.all(
      ['0123456789abcdef', 'fedcba9876543210'].map(async (label) => countersOf(await narrow(parent, `max_calls=10:${label}`))),
    );
    const keys = children.map((child) => ('counters' in child ? child.counters.map(({ key_hex: key }) => key) : []));
    expect(keys.map((list) => list.length)).toEqual([2, 2]);
    expect(keys[0]![0]).toBe(keys[1]![0]);
    expect(keys[0]![1]).not.toBe(keys[1]![1]);
  });
});
