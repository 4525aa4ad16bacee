/*
 * The text that `npm start` prints when it sells: the URL, and commands that work as printed. Pure.
 */
import { type WalletAddress } from '#local/embedded-wallet.ts';
import { type SuggestedCall } from './local-sale.ts';

export interface GreetingFacts {
  readonly gatewayUrl: string;
  readonly originName: string;
  readonly wallet: WalletAddress;
  readonly call: SuggestedCall;
  readonly isSample: boolean;
  readonly readyMs: number;
}

export function formatGreeting({ gatewayUrl, originName, wallet, call, isSample, readyMs }: GreetingFacts): string {
  const url = quoteForShell(`${gatewayUrl}${call.path}`);
  const target = call.method === 'GET' ? url : `${url} -X ${call.method}`;
  const others = isSample
    ? `  More to buy:        npm run buy -- '${gatewayUrl}/agent?svc=primes&n=8402'
                      npm run buy -- ${gatewayUrl}/privacy-audit -d 'write to me@example.com'
`
    : '';
  return `
l402-edge sells ${originName} at ${gatewayUrl}  (ready in ${Math.round(readyMs)} ms)

  See the price:      curl -i ${target}
  Buy it:             npm run buy -- ${target}
${others}  Pay by hand:        curl -s ${wallet.url}/v1/pay -H 'Authorization: Bearer ${wallet.token}' -d '{"invoice":"<invoice>"}'
  Then call:          curl -i ${target} -H "Authorization: L402 <token>:<preimageHex>"

The Lightning node is a stand-in for development: its invoices are real and signed, but NO MONEY MOVES.
Ctrl-C stops everything.
`;
}

function quoteForShell(text: string): string {
  return /^[A-Za-z0-9:/._-]+$/.test(text) ? text : `'${text}'`;
}
