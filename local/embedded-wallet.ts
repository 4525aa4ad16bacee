/*
 * A wallet for the client that pays at the embedded node's own endpoint. For development: no money moves. Effects: one
 * HTTP request a payment.
 */

export interface WalletAddress {
  readonly url: string;
  readonly token: string;
}

/** A wallet function for `createL402Fetch`. */
export function createEmbeddedWallet({ url, token }: WalletAddress): (invoice: string) => Promise<string> {
  return async (invoice) => {
    const response = await fetch(`${url}/v1/pay`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ invoice }),
    });
    const answer = (await response.json()) as { preimageHex?: string; code?: string };
    if (!response.ok || answer.preimageHex === undefined)
      throw new Error(`the embedded node did not pay: ${answer.code ?? response.status}`);
    return answer.preimageHex;
  };
}
