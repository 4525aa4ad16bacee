/*
 * M1 as a property: whatever a holder appends to a token, of any kind and with any value, the token never lets through a
 * request that it did not let through before, and its terms stay those of the sale.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ONE_CALL, type Access } from '#protocol/access.ts';
import { decodeCaveat, judgeCaveats, type Caveat } from '#protocol/caveat.ts';
import { type CaveatFacts } from '#protocol/caveat-kinds.ts';
import { readCounters } from '#protocol/counters.ts';
import { addCaveat } from '#protocol/macaroon.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { msat } from '#protocol/msat.ts';
import { accept } from '#protocol/result.ts';
import { formatTerms, readTerms, type Terms } from '#protocol/terms.ts';
import { mintToken, verifyToken } from '#protocol/token.ts';
import { ACCESS_KINDS, type AccessKind } from '#protocol/token-id.ts';
import { bytes32, capabilities, holderCaveats, latin1, requests, services, terms, tokenIds } from './arbitraries.ts';
import { hmac } from './hmac.ts';

const facts: fc.Arbitrary<CaveatFacts> = fc
  .tuple(fc.record({ service: services, tier: fc.nat(3), capabilities }), requests)
  .map(([sold, request]) => Object.assign({}, sold, request));

const decode = (caveats: readonly Uint8Array[], author: Caveat['author']) => caveats.map((caveat) => decodeCaveat(caveat, author));
const kindOf = ({ access = ONE_CALL }: Terms) => access.kind;
const allows = (caveats: readonly Caveat[], asked: CaveatFacts, sold: Terms) =>
  judgeCaveats(caveats, asked) === undefined && readTerms(caveats, { service: asked.service, accessKind: kindOf(sold) }).ok;
/** Each caveat has a signature of its own: here its place in the chain. */
const signed = (caveats: readonly Caveat[]) => ({ caveats, signatures: caveats.map((_, index) => Uint8Array.of(index)) });

const SAMPLES: { readonly [Kind in AccessKind]: Access } = {
  call: ONE_CALL,
  calls: { kind: 'calls', calls: 100 },
  pass: { kind: 'pass', maxPerMinute: 60 },
  credit: { kind: 'credit', creditMsat: msat(1_000_000n) },
};

describe('M1 narrowing never widens', () => {
  it('a token with any caveats appended allows no request that it did not allow before', () => {
    fc.assert(
      fc.property(terms, fc.array(holderCaveats, { minLength: 1, maxLength: 4 }), facts, (sold, added, asked) => {
        const before = decode(formatTerms(sold).map(latin1), 'minter');
        const after = [...before, ...decode(added, 'holder')];
        if (allows(after, asked, sold)) expect(allows(before, asked, sold)).toBe(true);
      }),
      { numRuns: 4000 },
    );
  });

  it('the same when the request is one that was sold, where most appended caveats still let it through', () => {
    let narrowed = 0;
    let kept = 0;
    fc.assert(
      fc.property(terms, fc.array(holderCaveats, { minLength: 1, maxLength: 2 }), requests, (sold, added, request) => {
        const asked = {
          ...request,
          service: sold.service,
          tier: sold.tier,
          capabilities: sold.capabilities ?? [],
          nowSeconds: sold.validUntilSeconds - 1,
          skewSeconds: 0,
        };
        const before = decode(formatTerms(sold).map(latin1), 'minter');
        expect(allows(before, asked, sold)).toBe(true);
        if (allows([...before, ...decode(added, 'holder')], asked, sold)) kept += 1;
        else narrowed += 1;
      }),
      { numRuns: 2000 },
    );
    // Both happen, or the property above would say nothing.
    expect(Math.min(kept, narrowed)).toBeGreaterThan(100);
  });

  it('the terms of the sale are the same whatever is appended: access, price, end, quote, settlement and capabilities', () => {
    fc.assert(
      fc.property(terms, fc.array(holderCaveats, { maxLength: 4 }), (sold, added) => {
        const { service, validUntilSeconds, paidMsat, quoteDigest, settlement, access = ONE_CALL, capabilities = [] } = sold;
        const caveats = [...decode(formatTerms(sold).map(latin1), 'minter'), ...decode(added, 'holder')];
        expect(readTerms(caveats, { service, accessKind: kindOf(sold) })).toEqual({
          ok: true,
          value: { access, validUntilSeconds, paidMsat, quoteDigest, settlement, capabilities: new Set(capabilities) },
        });
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
            sold,
          ),
        ).toBe(allows(caveats, asked, sold));
      }),
      { numRuns: 1000 },
    );
  });

  it('M6, M7 every counter that was on the chain is still on it, unchanged; more are at most added, up to four', () => {
    const chains = fc.array(holderCaveats, { maxLength: 8 });
    fc.assert(
      fc.property(chains, chains, (held, added) => {
        const before = readCounters(signed(decode(held, 'holder')));
        const after = readCounters(signed(decode([...held, ...added], 'holder')));
        if (!after.ok) return;
        expect(before.ok && after.value.slice(0, before.value.length)).toEqual(before.ok && before.value);
        expect(after.value.length).toBeLessThanOrEqual(4);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(ACCESS_KINDS.map((access) => ({ access })))(
    'access $access: place, kind and count are read from the signed id, never from a caveat',
    async ({ access }) => {
      await fc.assert(
        fc.asyncProperty(
          fc.record({ id: tokenIds, preimage: bytes32 }),
          terms.map((sold) => Object.assign({}, sold, { access: SAMPLES[access] })),
          fc.array(holderCaveats, { minLength: 1, maxLength: 3 }),
          async ({ id, preimage }, sold, added) => {
            const epochKey = new Uint8Array(32).fill(1);
            const minted = parseToken(await mintToken({ paymentHash: sha256(preimage), id, terms: sold, epochKey, hmac }));
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
