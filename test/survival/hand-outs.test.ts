/*
 * workerd is killed at random points while clients are handed invoices that were made beforehand, and started again on its
 * disk: no invoice is seen by two clients, and the pool goes on (M23).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatHex } from '#protocol/bytes.ts';
import { decodeIdentifier } from '#protocol/identifier.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { startTestSystem, type TestSystem } from '#support/test-system.ts';
import { createCaller } from './caller.ts';
import { createChance, SEED, sized, tell } from './seed.ts';
import { MADE_AHEAD } from './shop.ts';

const KILLS = sized({ short: 10, long: 50 });
const HAND_OUTS = sized({ short: 2000, long: 10_000 });
const CALLERS = 32;
const CLIENTS = 400;
/** Answers between a start and a kill. */
const LEAST_ANSWERS = 300;
const MOST_ANSWERS = 900;

let system: TestSystem;

beforeAll(async () => {
  // Two Workers, one namespace: what two instances of a deployment are.
  system = await startTestSystem([
    { name: 'gateway', bundle: 'survival' },
    { name: 'second', bundle: 'survival', claimsOf: 'gateway' },
  ]);
});
afterAll(() => system.close());

function paymentHashOf(token: string): Uint8Array {
  const macaroon = parseToken(token);
  const identifier = macaroon.ok ? decodeIdentifier(macaroon.value.identifier) : macaroon;
  if (!identifier.ok) throw new Error(identifier.refusal.code);
  return identifier.value.paymentHash;
}

describe('workerd killed while it hands invoices out', () => {
  it(
    `M23: ${KILLS} kills over ${HAND_OUTS} hand-outs and more show no payment hash to two clients, and the pool goes on`,
    { timeout: sized({ short: 120_000, long: 600_000 }) },
    async () => {
      const chance = createChance(SEED);
      const caller = createCaller();
      const seenBy = new Map<string, string>();
      const twice: string[] = [];
      const counts = { ahead: 0, direct: 0, cut: 0, leastAhead: Infinity };
      for (let kills = 0; kills < KILLS; kills++) {
        const life = { answersLeft: LEAST_ANSWERS + chance.below(MOST_ANSWERS - LEAST_ANSWERS), ahead: 0, isEnding: false };
        const due = Promise.withResolvers<void>();
        const callOn = async () => {
          while (!life.isEnding) {
            const client = `10.0.${chance.below(4)}.${chance.below(CLIENTS / 4)}`;
            const port = system.ports[chance.pick(['gateway', 'second'])]!;
            const answer = await caller.call({ port, path: '/call/a', headers: { 'x-forwarded-for': client } });
            if (answer === 'cut') {
              counts.cut += 1;
              if (!life.isEnding) throw new Error('cut off, though nobody was killed');
              continue;
            }
            if (answer.status !== 402) throw new Error(`an answer that nothing explains: ${answer.status} ${answer.code}`);
            const paymentHash = paymentHashOf(answer.token!);
            if (paymentHash[0] === MADE_AHEAD) life.ahead += 1;
            else counts.direct += 1;
            const name = formatHex(paymentHash);
            if ((seenBy.get(name) ?? client) !== client) twice.push(name);
            seenBy.set(name, client);
            if (--life.answersLeft === 0) due.resolve();
          }
        };
        const callers = Array.from({ length: CALLERS }, callOn);
        await due.promise;
        for (let turns = chance.below(8); turns > 0; turns--) await new Promise((resolve) => void setImmediate(resolve));
        life.isEnding = true;
        await system.restart();
        await Promise.all(callers);
        caller.hangUp();
        counts.ahead += life.ahead;
        // The first life begins with an empty pool.
        if (kills > 0) counts.leastAhead = Math.min(counts.leastAhead, life.ahead);
      }
      const { ahead, direct, cut, leastAhead } = counts;
      tell(
        `${KILLS} kills, ${ahead} hand-outs of invoices made beforehand (${leastAhead} or more in each life), ${direct} of others, ${cut} cut off`,
      );
      expect(twice).toEqual([]);
      expect(ahead).toBeGreaterThanOrEqual(HAND_OUTS);
      expect(leastAhead).toBeGreaterThan(0);
      expect(cut).toBeGreaterThan(KILLS);
    },
  );
});
