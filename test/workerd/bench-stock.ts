/*
 * Fills the pools of a gateway before its 402s are measured: the shipped way of making challenges beforehand, with invoices
 * that no node has made.
 */
import { randomBytes } from '@noble/hashes/utils.js';
import { formatHex } from '#protocol/bytes.ts';
import { REGION_UNKNOWN } from '#protocol/region.ts';
import { msat } from '#protocol/msat.ts';
import { QUOTA_SHARDS } from '#adapters/do-quota.ts';
import { refillPool } from '#gateway/payment/refill.ts';
import { quoteFixed } from '#gateway/pricing/quote.ts';
import { type Gateway } from '#src/config/config.ts';
import { createDeps, type Env } from '#src/deps.ts';
import { type InvoiceOrder, type Lightning, type MintedInvoice } from '#src/ports.ts';
import { bytesField, FIELD, numberField, textField, writeInvoice } from '../protocol/invoice-writer.ts';

const AT_ONCE = 50;

function mint({ amountMsat, memo, expirySeconds }: InvoiceOrder): MintedInvoice {
  const fields = [
    bytesField(FIELD.paymentHash, randomBytes(32)),
    textField(FIELD.description, memo),
    numberField(FIELD.expiry, expirySeconds),
  ];
  const invoice = writeInvoice({ prefix: `lnbcrt${amountMsat * 10n}p`, timestamp: Math.floor(Date.now() / 1000), fields });
  return { invoice, settlement: 'preimage' };
}

/** Invoices as if they were of the node that is there: what another one has made would be dropped (M44). */
async function startQuickNode({ mint: ask }: Lightning): Promise<Lightning> {
  const idempotencyKey = formatHex(randomBytes(16));
  const { node } = await ask({ amountMsat: msat(1000n), memo: 'bench', expirySeconds: 600, idempotencyKey });
  const make = (order: InvoiceOrder) => ({ ...mint(order), node });
  return {
    mint: (order) => Promise.resolve(make(order)),
    mintBatch: (orders) => Promise.resolve(orders.map(make)),
    lookUp: () => Promise.reject(new Error('no node')),
  };
}

/** Brings so many challenges of a route to every place; what there is no room for is dropped. */
export async function stockPools(
  env: Env,
  { gateway, match, count }: { gateway: Gateway; match: string; count: number },
): Promise<Response> {
  const wired = createDeps(env, gateway);
  if (!wired.ok) throw new Error(wired.refusal.join('; '));
  const deps = { ...wired.value, lightning: await startQuickNode(wired.value.lightning) };
  const { settings } = deps;
  const { quote } = quoteFixed(settings.routes.routes.find((route) => route.match === match)!)!;
  for (let shard = 0; shard < QUOTA_SHARDS; shard++) {
    for (let left = count; left > 0; left -= AT_ONCE) {
      await refillPool({ quote, shard, region: REGION_UNKNOWN, count: Math.min(left, AT_ONCE), bounds: settings.pool! }, deps);
    }
  }
  return new Response('stocked');
}
