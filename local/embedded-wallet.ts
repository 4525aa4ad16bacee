/*
 * A wallet for the client that pays at the embedded node's own endpoint. For development: no money moves. Effects: one HTTP
 * request per payment.
 */
import { PaymentRefused } from '#client/error.ts';

export interface WalletAddress {
  readonly url: string;
  readonly token: string;
}

const NOT_PAID: ReadonlySet<string> = new Set(['invoice_malformed', 'network_refused', 'invoice_unknown', 'invoice_expired']);

/** Creates a wallet function for `createL402Fetch`. */
export function createEmbeddedWallet({ url, token }: WalletAddress): (invoice: string) => Promise<string> {
  return async (invoice) => {
    const response = await fetch(`${url}/v1/pay`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ invoice }),
    });
    const answer = (await response.json()) as { preimageHex?: string; code?: string };
    if (response.ok && answer.preimageHex !== undefined) return answer.preimageHex;
    const detail = `the embedded node did not pay: ${answer.code ?? response.status}`;
    // The node refuses before doing anything: nothing was paid, and nothing will be.
    if (answer.code !== undefined && NOT_PAID.has(answer.code)) throw new PaymentRefused(detail);
    throw new Error(detail);
  };
}
