/*
 * The round that the platform's clock starts every few minutes: each place that was lately asked for challenges is asked once
 * what it wants of all that is sold at a fixed price. So an offer that was warm stays so while nobody asks, and an order that
 * failed is made up for. No other place is asked: that would make it, wherever the clock ticks, or keep it awake for nothing
 * (M45). Bounded.
 */
import { numberOfRegion, REGION_UNKNOWN, REGIONS } from '#protocol/region.ts';
import { noteFault } from '../answers/fault.ts';
import { type GateDeps } from '../gate-deps.ts';
import { findPool, nameOffer } from './offer-key.ts';
import { openIssuer } from './ready-challenge.ts';
import { refillPool, type Refill } from './refill.ts';
import { quoteFixed } from '../pricing/quote.ts';

/** Invoices of one round. What is wanted beyond them waits for the next, or for somebody who asks. */
const MOST_A_ROUND = 1000;
/** Offers of a region that one place is asked for: as many as it keeps. */
const MOST_OFFERS = 256;
const ALL_REGIONS = [REGION_UNKNOWN, ...REGIONS.map(numberOfRegion)];

/** Brings every place what it wants. Never throws. */
export async function refillPools(deps: GateDeps): Promise<void> {
  const { quota, control, schemes, settings, log } = deps;
  try {
    const { pool, claimRegion } = settings;
    const quotes = settings.routes.routes.flatMap((route) => quoteFixed(route)?.quote ?? []);
    const pooled = quotes.filter((quote) => findPool(quote, settings) !== undefined).slice(0, MOST_OFFERS);
    if (pool === undefined || pooled.length === 0) return;
    const { signing } = await openIssuer(schemes);
    // One name for two routes that sell the same: asked once.
    const offers = new Map<string, Pick<Refill, 'quote' | 'region'>>();
    for (const region of claimRegion === undefined ? ALL_REGIONS : [claimRegion]) {
      for (const quote of pooled) offers.set(nameOffer(quote, { signing, region, settings }), { quote, region });
    }
    const asked = [...offers.keys()].map((key) => ({ key, bounds: pool }));
    const refills = [...offers.values()];
    let left = MOST_A_ROUND;
    for (const shard of await control.stockedShards()) {
      const wanted = await quota.want(shard, asked);
      for (const [index, count] of wanted.entries()) {
        if (count === 0) continue;
        const made = await refillPool({ ...refills[index]!, shard, count: Math.min(count, left), bounds: pool }, deps);
        left -= made;
        // A node that makes none is left alone until the next round.
        if (made === 0 || left === 0) return;
      }
    }
  } catch (error) {
    noteFault(log, { at: 'pool.round', error });
  }
}
