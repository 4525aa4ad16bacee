/*
 * Challenges made in advance: ordered in one batch, checked like those made on request, and delivered to the shard that
 * issues them. Runs after the response. A failure leaves the pool as it is, and clients wait for their invoices. Effects: the
 * ports.
 */
import { type Quote } from '#schemes/scheme.ts';
import { type PoolBounds } from '../../ports.ts';
import { noteFault } from '../answers/fault.ts';
import { type GateDeps } from '../gate-deps.ts';
import { orderInvoices } from './invoice-order.ts';
import { nameOffer } from './offer-key.ts';
import { makeChallenge, nameChallenge, openIssuer } from './ready-challenge.ts';

export interface Refill {
  readonly quote: Quote;
  readonly shard: number;
  /** Where the claims of these challenges live. */
  readonly region: number;
  readonly count: number;
  readonly bounds: PoolBounds;
}

/** No refresh has to be started: the invoices have just named the node. */
const ASKS_NOBODY = () => undefined;

/** Makes this many challenges of an offer and stocks them. Returns how many there are. Never throws. */
export async function refillPool({ quote, shard, region, count, bounds }: Refill, deps: GateDeps): Promise<number> {
  const { quota, schemes, random, settings, log } = deps;
  try {
    // The offer key includes the signing key, which may have changed a moment ago.
    const issuer = await openIssuer(schemes);
    const ordered = await orderInvoices(quote, { count, deps });
    const wrong = ordered.find((one) => !one.ok);
    if (wrong !== undefined) log('fault', { at: 'lightning.mintBatch', message: wrong.refusal });
    const good = ordered.flatMap((one) => (one.ok ? [one.value] : []));
    const items = await Promise.all(
      good.map((one) => makeChallenge(one, { quote, challengeId: nameChallenge(shard, random), region, issuer }, settings)),
    );
    if (items.length > 0)
      await quota.stock(
        {
          shard,
          key: nameOffer(quote, { signing: issuer.signing, region, settings }),
          bounds,
          node: deps.lightning.currentNode?.(ASKS_NOBODY),
        },
        items,
      );
    return items.length;
  } catch (error) {
    noteFault(log, { at: 'pool.refill', error });
    return 0;
  }
}
