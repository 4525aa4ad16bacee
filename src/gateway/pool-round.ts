/*
 * The round that the platform's clock starts every few minutes: each place is asked once what it wants of all that is sold at
 * a fixed price. So an offer that was warm stays so while nobody asks, and an order that failed is made up for. Bounded.
 */
import { type Quote } from '#schemes/scheme.ts';
import { noteFault } from './fault.ts';
import { type GateDeps } from './gate-deps.ts';
import { findPool, nameOffer } from './offer-key.ts';
import { refillPool } from './refill.ts';
import { quoteFixed } from './routes.ts';

/** Invoices of one round. What is wanted beyond them waits for the next, or for somebody who asks. */
const MOST_A_ROUND = 1000;
/** Offers that one place is asked for: as many as it keeps. */
const MOST_OFFERS = 256;

/** Brings every place what it wants. Never throws. */
export async function refillPools(deps: GateDeps): Promise<void> {
  const { quota, keys, settings, log } = deps;
  try {
    const signing = await keys.current();
    const offers = new Map<string, Quote>();
    for (const quote of settings.routes.routes.flatMap((route) => quoteFixed(route)?.quote ?? [])) {
      if (findPool(quote, settings) !== undefined && offers.size < MOST_OFFERS) offers.set(nameOffer(quote, signing, settings), quote);
    }
    const { pool } = settings;
    if (pool === undefined || offers.size === 0) return;
    const asked = [...offers.keys()].map((key) => ({ key, bounds: pool }));
    const quotes = [...offers.values()];
    let left = MOST_A_ROUND;
    for (let place = 0; place < quota.places; place++) {
      const wanted = await quota.want(place, asked);
      for (const [index, count] of wanted.entries()) {
        if (count === 0) continue;
        const made = await refillPool({ quote: quotes[index]!, place, count: Math.min(count, left), bounds: pool }, deps);
        left -= made;
        // A node that makes none is left alone until the next round.
        if (made === 0 || left === 0) return;
      }
    }
  } catch (error) {
    noteFault(log, { at: 'pool.round', error });
  }
}
