/*
 * Comparisons of secrets, timed by workerd itself (`workerd bench`): right, wrong at the first byte, wrong at the last. Whoever
 * measures answers must not learn how much of a guess was right. It answers no requests.
 */
import { nodeHmac } from '#adapters/node-hmac.ts';
import { encodeAscii, equalBytes } from '#protocol/bytes.ts';
import { signMacaroon, verifyChain } from '#protocol/macaroon.ts';
import { type Macaroon } from '#protocol/macaroon-codec.ts';

// A Worker of this project is not built without them.
export { Control, Quota, RateLimiter, ReplaySet, Settlements } from '#src/index.ts';

/** What workerd gives to a function called `bench`. */
interface Bench {
  run(name: string, work: () => unknown): void;
  blackBox<Value>(value: Value): Value;
}

const rootKey = new Uint8Array(32).fill(5);
const caveats = ['services=weather:0', 'weather_valid_until=1800000000', 'paid_msat=1000', `quote=${'00'.repeat(16)}`].map(encodeAscii);
const identifier = new Uint8Array(66).fill(3);

/** Where a guess differs from the secret. */
const GUESSES = { right: undefined, wrong_at_first: 0, wrong_at_last: 31 } as const;

function change(secret: Uint8Array, at: number | undefined): Uint8Array {
  const guess = secret.slice();
  if (at !== undefined) guess[at]! ^= 1;
  return guess;
}

export default {
  async bench(b: Bench) {
    const sold: Macaroon = await signMacaroon({ location: encodeAscii('lsat'), identifier, caveats }, { rootKey, hmac: nodeHmac });
    for (const [name, at] of Object.entries(GUESSES)) {
      const guess = change(sold.signature, at);
      const presented = { ...sold, signature: guess };
      b.run(`equal_${name}`, () => equalBytes(b.blackBox(sold.signature), b.blackBox(guess)));
      b.run(`verify_${name}`, () => verifyChain(b.blackBox(presented), { rootKey, hmac: nodeHmac }));
    }
  },
};
