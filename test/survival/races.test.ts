/*
 * Many attempts to spend the same few payments twice, over many connections to two Workers that share their objects.
 * What counts is what reaches the origin.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { msat } from '#protocol/msat.ts';
import { nameClaim } from '#schemes/l402/token-reading.ts';
import { type TestSystem } from '#support/test-system.ts';
import { makeToken } from '#support/tokens.ts';
import { createCaller } from './caller.ts';
import { startPair } from './pair.ts';
import { formatGet, runPipeline } from './pipeline.ts';
import { createChance, SEED, sized, tell } from './seed.ts';
import { BULK_CALLS, CHEAP_SATS, CREDIT_SATS } from './shop.ts';

const ATTEMPTS = sized({ short: 100_000, long: 1_000_000 });
/** A request shows two payments. */
const ATTEMPTS_A_ROUND = 4000;
const CONNECTIONS = 48;
const DEPTH = 8;
const CHILD_CALLS = 30;

let system: TestSystem;

beforeAll(async () => {
  system = await startPair();
});
afterAll(() => system.close());

/** A token, and how many calls it is good for. */
interface Prize {
  readonly path: string;
  readonly authorization: string;
  readonly claimId: string;
  readonly calls: number;
}

/** Of every counted kind, and a payment that is spent through its child only. */
async function makePrizes(round: number): Promise<readonly Prize[]> {
  const id = { region: round % 4, shardBits: 0 };
  const calls = { kind: 'calls', calls: BULK_CALLS } as const;
  const credit = { kind: 'credit', creditMsat: msat(BigInt(CREDIT_SATS * 1000)) } as const;
  const single = { path: '/call/x', calls: 1, sold: { service: 'call', id } };
  const bulk = { path: '/bulk/x', sold: { service: 'bulk', id, terms: { access: calls } } };
  const purse = { path: '/credit/cheap/x', calls: CREDIT_SATS / CHEAP_SATS, sold: { service: 'credit', id, terms: { access: credit } } };
  return Promise.all([
    ...Array.from({ length: 4 }, () => makePrize(single)),
    makePrize({ ...bulk, calls: BULK_CALLS }),
    makePrize({ ...bulk, calls: CHILD_CALLS, maxCalls: CHILD_CALLS }),
    ...Array.from({ length: 2 }, () => makePrize(purse)),
  ]);
}

/** Every pair of payments that are good for the same route: a request that shows two tries both when the first is used up. */
function pairUp(prizes: readonly Prize[]): readonly string[] {
  return prizes.flatMap((one) =>
    prizes
      .filter((other) => other !== one && other.path === one.path)
      .map((other) => formatGet(`/race${one.path}`, `${one.authorization}, ${other.authorization}`)),
  );
}

async function makePrize({
  path,
  calls,
  sold,
  maxCalls,
}: Pick<Prize, 'path' | 'calls'> & { sold: Parameters<typeof makeToken>[0]; maxCalls?: number }): Promise<Prize> {
  const { token, authorization, paymentHash } = await makeToken(sold);
  const narrowed = maxCalls === undefined ? token : await attenuate(token, { maxCalls });
  return { path, calls, claimId: nameClaim(paymentHash), authorization: authorization.replace(token, narrowed) };
}

describe('double spending', () => {
  it(
    `M15: of ${ATTEMPTS} attempts over two Workers the origin sees each unit that was paid for exactly once`,
    { timeout: sized({ short: 180_000, long: 1_800_000 }) },
    async () => {
      const chance = createChance(SEED);
      const statuses = new Map<number, number>();
      const seen = new Map<string, number>();
      system.origin.respond = ({ headers }, response) => {
        // A call's name begins with its payment's.
        const claimId = String(headers['x-l402-claim']).slice(0, 32);
        seen.set(claimId, (seen.get(claimId) ?? 0) + 1);
        response.end('done');
      };
      const startedMs = performance.now();
      for (let round = 0; round < ATTEMPTS / ATTEMPTS_A_ROUND; round++) {
        const prizes = await makePrizes(round);
        const texts = pairUp(prizes);
        let left = ATTEMPTS_A_ROUND / 2;
        const next = () => (left-- > 0 ? chance.pick(texts) : undefined);
        const onStatus = (status: number) => void statuses.set(status, (statuses.get(status) ?? 0) + 1);
        await Promise.all(
          Array.from({ length: CONNECTIONS }, (_, index) =>
            runPipeline({ port: system.ports[index % 2 === 0 ? 'gateway' : 'second']!, next, depth: DEPTH, onStatus }),
          ),
        );
        await useUp(prizes);
        expect(prizes.map(({ path, claimId }) => [path, seen.get(claimId)])).toEqual(prizes.map(({ path, calls }) => [path, calls]));
        seen.clear();
        system.origin.seen.length = 0;
      }
      const told = [...statuses].map(([status, times]) => `${times} x ${status}`).join(', ');
      tell(`${ATTEMPTS} attempts, two a request, in ${Math.round((performance.now() - startedMs) / 1000)} s: ${told}`);
      // A payment is used up, and no other is offered: to the first few since it is sold out, to the rest since so few may ask.
      expect([...statuses.keys()].toSorted()).toEqual([200, 409, 429, 503]);
      expect([...statuses.values()].reduce((sum, times) => sum + times, 0)).toBe(ATTEMPTS / 2);
    },
  );
});

/** Whoever was told to wait during the race may ask again: until everything is refused, and not once more. */
async function useUp(prizes: readonly Prize[]): Promise<void> {
  const caller = createCaller();
  for (const { path, authorization } of prizes) {
    for (let status = 0; status !== 402;) {
      const answer = await caller.call({ port: system.ports['gateway']!, path, authorization });
      if (answer === 'cut') throw new Error('cut off');
      ({ status } = answer);
    }
  }
  caller.hangUp();
}
