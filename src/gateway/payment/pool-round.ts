/*
 * The refill round that the platform's timer starts every few minutes. Each shard that was recently asked for challenges is
 * asked once what it needs of all fixed-price offers. So a warm offer stays in stock while nobody asks, and a failed order is
 * made up for. Idle shards are not asked: that would create them near the timer, or keep them awake for nothing (M45).
 * Bounded. Effects: the ports.
 */
import { numberOfRegion, REGION_UNKNOWN, REGIONS } from '#protocol/region.ts';
import { noteFault } from '../answers/fault.ts';
import { type GateDeps } from '../gate-deps.ts';
import { findPool, nameOffer } from './offer-key.ts';
import { openIssuer } from './ready-challenge.ts';
import { refillPool, type Refill } from './refill.ts';
import { quoteFixed } from '../pricing/quote.ts';

/** Most invoices per round. The rest waits for the next round or the next request. */
const MOST_A_ROUND = 1000;
/** Most offers of a region that one shard is asked about: as many as it keeps. */
const MOST_OFFERS = 256;
const ALL_REGIONS = [REGION_UNKNOWN, ...REGIONS.map(numberOfRegion)];

/** Refills every shard in use. Never throws. */
export async function refillPools(deps: GateDeps): Promise<void> {
  const { quota, control, schemes, settings, log } = deps;
  try {
    const { pool, claimRegion } = settings;
    const quotes = settings.routes.routes.flatMap((route) => quoteFixed(route)?.quote ?? []);
    const pooled = quotes.filter((quote) => findPool(quote, settings) !== undefined).slice(0, MOST_OFFERS);
    if (pool === undefined || pooled.length === 0) return;
    const { signing } = await openIssuer(schemes);
    // Two routes that sell the same offer share a key and are asked once.
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
        // A node that makes no invoices is left alone until the next round.
        if (made === 0 || left === 0) return;
      }
    }
  } catch (error) {
    noteFault(log, { at: 'pool.round', error });
  }
}
