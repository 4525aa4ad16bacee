/* The embedded node as a Lightning port, without the bridge between. */
import { createEmbeddedNode } from '#lnd-bridge/nodes/embedded.ts';
import { type Lightning } from '#src/ports.ts';

/** Mints real regtest invoices in this isolate. */
export function startEmbedded(): Lightning {
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const clock = { nowSeconds: () => Math.floor(Date.now() / 1000) };
  const node = createEmbeddedNode({ secretKey: new Uint8Array(32).fill(5), clock, random });
  return {
    async mint(order) {
      const minted = await node.mint(order);
      if (!minted.ok) throw new Error(minted.refusal.code);
      return { invoice: minted.value.invoice };
    },
  };
}
