/*
 * Whatever stands in `WWW-Authenticate`, the client gives the answer back or throws its own error, and the wallet hears of
 * nothing that is not a whole, valid offer.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createL402Fetch, L402Error, readOffer } from '#client/index.ts';
import { NOW_MS } from './invoice-maker.ts';
import { ADDRESS, openShop, paymentRequired, type Sale } from './fake-shop.ts';

/** What a header can hold; a platform refuses the rest before we see it. */
const headerText = fc.string({
  unit: fc.constantFrom(...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)), '\t'),
  maxLength: 200,
});
const pieces = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        'L402',
        'LSAT',
        'l402 ',
        'Payment',
        'macaroon=',
        'token=',
        'invoice=',
        '"',
        "'",
        ',',
        ', ',
        '=',
        ' ',
        '\\',
        'AgEEbHNhdA==',
        'lnbcrt10n1',
      ),
    },
    { weight: 1, arbitrary: headerText },
  ),
  { maxLength: 20 },
);

async function attempt(header: string): Promise<{ outcome: unknown; payments: number }> {
  let payments = 0;
  const wallet = async () => {
    payments++;
    return '';
  };
  const fetch = createL402Fetch({
    wallet,
    maxPriceSats: 1e6,
    network: 'regtest',
    fetch: async () => paymentRequired([header]),
    clock: () => NOW_MS,
  });
  const outcome = await fetch(ADDRESS).catch((error: unknown) => error);
  return { outcome, payments };
}

describe('any header at all', () => {
  it('Y1, Y8, M31: ends in the 402 itself or in an L402Error with nothing paid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          headerText,
          pieces.map((list) => list.join('')),
        ),
        async (header) => {
          const { outcome, payments } = await attempt(header);
          expect(payments).toBe(0);
          if (outcome instanceof Response) expect(outcome.status).toBe(402);
          else expect(outcome).toMatchObject({ name: 'L402Error', paid: 'no' });
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('M31: a real challenge with one character changed is paid only if token and invoice came through it unharmed', async () => {
    const shop = openShop();
    await shop.fetch(ADDRESS);
    const [sale] = shop.sales as [Sale];
    const good = `L402 macaroon="${sale.token}", invoice="${sale.invoice}"`;
    const change = fc.record({ at: fc.nat(good.length - 1), with: fc.constantFrom('', 'a', 'A', '1', '"', ',', ' ', '=', '\\', 'q', 'p') });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, with: replacement }) => {
        const header = good.slice(0, at) + replacement + good.slice(at + 1);
        const { outcome, payments } = await attempt(header);
        if (!(outcome instanceof Response)) expect(outcome).toBeInstanceOf(L402Error);
        const offer = readOffer(paymentRequired([header]));
        // The token's signature is the gateway's to check, so a payment is right whenever hash and invoice still agree.
        const unharmed = offer.ok && offer.value.invoice === sale.invoice;
        if (payments > 0) expect(unharmed).toBe(true);
        if (header === good) expect(payments).toBe(1);
      }),
      { numRuns: 1000, examples: [[{ at: 0, with: 'L' as 'a' }]] },
    );
  });
});
