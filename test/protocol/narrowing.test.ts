/*
 * M1 as a property: whatever a holder appends to a token, of any kind and with any value, the token never lets through a
 * request that it did not let through before, and its terms stay those of the sale.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCaveat, judgeCaveats, type Caveat, type CaveatFacts } from '#protocol/caveat.ts';
import { addCaveat } from '#protocol/macaroon.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { accept } from '#protocol/result.ts';
import { formatTerms, readTerms } from '#protocol/terms.ts';
import { mintToken, verifyToken } from '#protocol/token.ts';
import { ACCESS_KINDS } from '#protocol/token-id.ts';
import { bytes32, capabilities, holderCaveats, instants, latin1, services, terms, tokenIds } from './arbitraries.ts';
import { hmac } from './webcrypto-hmac.ts';

const facts: fc.Arbitrary<CaveatFacts> = fc.record({
  service: services,
  tier: fc.nat(3),
  capabilities,
  nowSeconds: instants,
  skewSeconds: fc.constantFrom(0, 60, 300),
  preimage: bytes32,
});

const decode = (caveats: readonly Uint8Array[], author: Caveat['author']) => caveats.map((caveat) => decodeCaveat(caveat, author));
const allows = (caveats: readonly Caveat[], asked: CaveatFacts) =>
  judgeCaveats(caveats, asked) === undefined && readTerms(caveats, asked.service).ok;

describe('M1 narrowing never widens', () => {
  it('a token with any caveats appended allows no request that it did not allow before', () => {
    fc.assert(
      fc.property(terms, fc.array(holderCaveats, { minLength: 1, maxLength: 4 }), facts, (sold, added, asked) => {
        const before = decode(formatTerms(sold).map(latin1), 'minter');
        const after = [...before, ...decode(added, 'holder')];
        if (allows(after, asked)) expect(allows(before, asked)).toBe(true);
      }),
      { numRuns: 4000 },
    );
  });

  it('the same when the request is one that was sold, where most appended caveats still let it through', () => {
    let narrowed = 0;
    let kept = 0;
    fc.assert(
      fc.property(terms, fc.array(holderCaveats, { minLength: 1, maxLength: 2 }), bytes32, (sold, added, preimage) => {
        const asked = {
          service: sold.service,
          tier: sold.tier,
          capabilities: sold.capabilities ?? [],
          nowSeconds: sold.validUntilSeconds - 1,
          skewSeconds: 0,
          preimage,
        };
        const before = decode(formatTerms(sold).map(latin1), 'minter');
        expect(allows(before, asked)).toBe(true);
        if (allows([...before, ...decode(added, 'holder')], asked)) kept += 1;
        else narrowed += 1;
      }),
      { numRuns: 2000 },
    );
    // Both happen, or the property above would say nothing.
    expect(Math.min(kept, narrowed)).toBeGreaterThan(100);
  });

  it('the terms of the sale are the same whatever is appended: price, end and quote', () => {
    fc.assert(
      fc.property(terms, fc.array(holderCaveats, { maxLength: 4 }), (sold, added) => {
        const { service, validUntilSeconds, paidMsat, quoteDigest } = sold;
        const caveats = [...decode(formatTerms(sold).map(latin1), 'minter'), ...decode(added, 'holder')];
        expect(readTerms(caveats, service)).toEqual({ ok: true, value: { validUntilSeconds, paidMsat, quoteDigest } });
      }),
      { numRuns: 2000 },
    );
  });

  it('a caveat said twice in a row allows what it allowed once', () => {
    fc.assert(
      fc.property(terms, fc.array(holderCaveats, { maxLength: 3 }), facts, (sold, added, asked) => {
        const caveats = [...decode(formatTerms(sold).map(latin1), 'minter'), ...decode(added, 'holder')];
        expect(
          allows(
            caveats.flatMap((caveat) => [caveat, caveat]),
            asked,
          ),
        ).toBe(allows(caveats, asked));
      }),
      { numRuns: 1000 },
    );
  });

  it.each(ACCESS_KINDS.map((access) => ({ access })))(
    'access $access: place, kind and count are read from the signed id, never from a caveat',
    async ({ access }) => {
      await fc.assert(
        fc.asyncProperty(
          fc.record({ id: tokenIds, preimage: bytes32 }),
          terms,
          fc.array(holderCaveats, { minLength: 1, maxLength: 3 }),
          async ({ id, preimage }, sold, added) => {
            const epochKey = new Uint8Array(32).fill(1);
            const minted = parseToken(
              await mintToken({ paymentHash: sha256(preimage), id: { ...id, access }, terms: sold, epochKey, hmac }),
            );
            if (!minted.ok) throw new Error(minted.refusal.code);
            let macaroon = minted.value;
            for (const caveat of added) macaroon = await addCaveat(macaroon, { caveat, hmac });
            const token = await verifyToken(macaroon, { preimage, epochKeys: () => Promise.resolve(accept(epochKey)), hmac });
            expect(token).toMatchObject({ ok: true, value: { id: { ...id, access, minterCaveats: formatTerms(sold).length }, preimage } });
          },
        ),
        { numRuns: 40 },
      );
    },
  );
});
