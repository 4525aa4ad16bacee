/* The embedded node as a Lightning port, without the bridge between, and as the payer of its own invoices. */
import { createEmbeddedNode } from '#lnd-bridge/nodes/embedded.ts';
import { formatHex } from '#protocol/bytes.ts';
import { type Clock, type Lightning, type Random } from '#src/ports.ts';

export interface EmbeddedLightning extends Lightning {
  /** Pays and gives the preimage in hex. */
  readonly pay: (invoice: string) => string;
}

const platformRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

/** Mints real regtest invoices in this isolate, by the clock that is given. */
export function startEmbedded(now: Clock = () => Date.now()): EmbeddedLightning {
  const clock = { nowSeconds: () => Math.floor(now() / 1000) };
  const node = createEmbeddedNode({ secretKey: new Uint8Array(32).fill(5), clock, random: platformRandom });
  const mint: Lightning['mint'] = async (order) => {
    const minted = await node.mint(order);
    if (!minted.ok) throw new Error(minted.refusal.code);
    return { invoice: minted.value.invoice, settlement: node.settlement };
  };
  return {
    mint,
    mintBatch: (orders) => Promise.all(orders.map(mint)),
    async lookUp(paymentHash) {
      const looked = await node.lookUp(formatHex(paymentHash));
      if (!looked.ok) throw new Error(looked.refusal.code);
      const { state } = looked.value;
      return state === 'open' || state === 'settled' ? state : 'gone';
    },
    pay(invoice) {
      const paid = node.pay(invoice);
      if (!paid.ok) throw new Error(paid.refusal.code);
      return paid.value.preimageHex;
    },
  };
}
