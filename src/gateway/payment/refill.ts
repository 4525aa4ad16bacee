/*
 * Challenges made beforehand: ordered in one batch, checked like those that somebody waits for, and brought to the place that
 * hands them out. Runs after the answer. What goes wrong leaves the pool as it is: clients get theirs made while they wait.
 */
import { TOKEN_ID_RANDOM_BYTES } from '#protocol/token-id.ts';
import { type Quote } from '#schemes/scheme.ts';
import { type PoolBounds } from '../../ports.ts';
import { noteFault } from '../answers/fault.ts';
import { type GateDeps } from '../gate-deps.ts';
import { orderInvoices } from './invoice-order.ts';
import { nameOffer } from './offer-key.ts';
import { makeChallenge } from './ready-challenge.ts';

export interface Refill {
  readonly quote: Quote;
  readonly place: number;
  /** Where the claims of what is made live. */
  readonly region: number;
  readonly count: number;
  readonly bounds: PoolBounds;
}

/** The invoices have just told it. */
const ASKS_NOBODY = () => undefined;

/** Makes so many challenges of an offer and stocks them; how many there are. Never throws. */
export async function refillPool({ quote, place, region, count, bounds }: Refill, deps: GateDeps): Promise<number> {
  const { quota, keys, random, settings, log } = deps;
  try {
    // Named by the key that signs them: it may be another one than a moment ago.
    const signing = await keys.current();
    const ordered = await orderInvoices(quote, { count, deps });
    const wrong = ordered.find((one) => !one.ok);
    if (wrong !== undefined) log('fault', { at: 'lightning.mintBatch', message: wrong.refusal });
    const good = ordered.flatMap((one) => (one.ok ? [one.value] : []));
    const items = await Promise.all(
      good.map((one) => makeChallenge(one, { quote, random: placedRandom(random, place), region, signing }, deps)),
    );
    if (items.length > 0)
      await quota.stock(
        { place, key: nameOffer(quote, { signing, region, settings }), bounds, node: deps.lightning.currentNode?.(ASKS_NOBODY) },
        items,
      );
    return items.length;
  } catch (error) {
    noteFault(log, { at: 'pool.refill', error });
    return 0;
  }
}

/** The random rest of a token id. It begins with the place where its challenge is counted, and is that challenge's name. */
export function placedRandom(random: GateDeps['random'], place: number): Uint8Array {
  const bytes = random(TOKEN_ID_RANDOM_BYTES);
  bytes[0] = place;
  return bytes;
}
