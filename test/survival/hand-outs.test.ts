/*
 * workerd is killed at random points while clients are handed invoices that were made beforehand, and started again on its
 * disk: no invoice is seen by two clients, and the pool goes on (M23). What is then on disk fits to what
 * clients have seen: no invoice lies there that anyone has, none lies there twice, and nobody is counted for more than was
 * asked.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatHex } from '#protocol/bytes.ts';
import { readTable } from '#support/object-rows.ts';
import { type TestSystem } from '#support/test-system.ts';
import { identifierOf } from '#support/tokens.ts';
import { createCaller } from './caller.ts';
import { startPair } from './pair.ts';
import { createChance, SEED, sized, tell } from './seed.ts';
import { MADE_AHEAD } from './shop.ts';

const KILLS = sized({ short: 10, long: 50 });
const HAND_OUTS = sized({ short: 2000, long: 10_000 });
const CALLERS = 32;
const CLIENTS = 400;
/** Answers between a start and a kill. */
const LEAST_ANSWERS = 300;
const MOST_ANSWERS = 900;
/** Asks where few invoices are given to one client. */
const GREEDY = '192.0.2.1';
/** Of a client, where nothing is said of it. */
const MOST_OPEN = 30;

let system: TestSystem;

beforeAll(async () => {
  system = await startPair();
});
afterAll(() => system.close());

/** Payment hashes by the client that has seen them. */
type Issued = ReadonlyMap<string, ReadonlySet<string>>;

/** How many challenges are counted on disk for each client that has asked for invoices. */
function readUsages(): ReadonlyMap<string, number> {
  const rows = readTable<{ key: string; row: string }>(system.directory, { className: 'Quota', table: 'rows_v2' });
  return new Map(
    rows.flatMap(({ key, row }) => {
      const client = /^client (.+)$/.exec(key)?.[1];
      return client === undefined ? [] : [[client, (JSON.parse(row) as { challenges: unknown[] }).challenges.length] as const];
    }),
  );
}

/** Whether everyone is counted on disk for what it was handed. */
function isCounted(issued: Issued): boolean {
  const usages = readUsages();
  return [...issued].every(([client, hashes]) => (usages.get(client) ?? 0) >= hashes.size);
}

describe('workerd killed while it hands invoices out', () => {
  it(
    `M23: ${KILLS} kills over ${HAND_OUTS} hand-outs and more show no payment hash to two clients, and the pool goes on`,
    { timeout: sized({ short: 120_000, long: 600_000 }) },
    async () => {
      const chance = createChance(SEED);
      const caller = createCaller();
      const seenBy = new Map<string, string>();
      const asked = new Map<string, number>();
      const twice: string[] = [];
      let lastIssued: Issued = new Map();
      const counts = { ahead: 0, direct: 0, cut: 0, leastAhead: Infinity };
      for (let kills = 0; kills < KILLS; kills++) {
        const life = {
          answersLeft: LEAST_ANSWERS + chance.below(MOST_ANSWERS - LEAST_ANSWERS),
          ahead: 0,
          isEnding: false,
          issued: new Map<string, Set<string>>(),
        };
        const due = Promise.withResolvers<void>();
        const callOn = async () => {
          while (!life.isEnding) {
            const isGreedy = chance.percent(10);
            const client = isGreedy ? GREEDY : `10.0.${chance.below(4)}.${chance.below(CLIENTS / 4)}`;
            const port = system.ports[chance.pick(['gateway', 'second'])]!;
            asked.set(client, (asked.get(client) ?? 0) + 1);
            const answer = await caller.call({ port, path: isGreedy ? '/flood/a' : '/call/a', headers: { 'x-forwarded-for': client } });
            if (answer === 'cut') {
              counts.cut += 1;
              if (!life.isEnding) throw new Error('cut off, though nobody was killed');
              continue;
            }
            if (answer.status !== 402) throw new Error(`an answer that nothing explains: ${answer.status} ${answer.code}`);
            const paymentHash = identifierOf(answer.token!).paymentHash;
            if (paymentHash[0] === MADE_AHEAD) life.ahead += 1;
            else counts.direct += 1;
            const name = formatHex(paymentHash);
            if ((seenBy.get(name) ?? client) !== client) twice.push(name);
            seenBy.set(name, client);
            life.issued.set(client, (life.issued.get(client) ?? new Set()).add(name));
            if (--life.answersLeft === 0) due.resolve();
          }
        };
        const callers = Array.from({ length: CALLERS }, callOn);
        await due.promise;
        for (let turns = chance.below(8); turns > 0; turns--) await new Promise((resolve) => void setImmediate(resolve));
        life.isEnding = true;
        // The last kill comes when everyone has been answered and counted on disk: from that one nobody gets anything back.
        if (kills === KILLS - 1) {
          await Promise.all(callers);
          while (!isCounted(life.issued)) await new Promise((resolve) => void setImmediate(resolve));
        }
        await system.restart();
        await Promise.all(callers);
        lastIssued = life.issued;
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
      // Nobody has asked anything since the last kill: this is what it has left.
      const lying = readTable<{ items: string }>(system.directory, { className: 'Quota', table: 'pool_v1' }).flatMap(({ items }) =>
        (JSON.parse(items) as { paymentHashHex: string }[]).map(({ paymentHashHex }) => paymentHashHex),
      );
      expect(lying.filter((name, at) => seenBy.has(name) || lying.indexOf(name) !== at)).toEqual([]);
      expect(lying.length).toBeGreaterThan(0);
      const usages = readUsages();
      expect([...usages].filter(([client, count]) => count > (asked.get(client) ?? 0))).toEqual([]);
      expect(isCounted(lastIssued)).toBe(true);
      expect(lastIssued.size).toBeGreaterThan(CLIENTS / 4);
      // Each kill gives back what was counted in its last second, and no more than there was.
      const greedy = [...seenBy.values()].filter((client) => client === GREEDY).length;
      expect(greedy).toBeGreaterThanOrEqual(MOST_OPEN);
      expect(greedy).toBeLessThanOrEqual(MOST_OPEN * KILLS);
      expect(ahead).toBeGreaterThanOrEqual(HAND_OUTS);
      expect(leastAhead).toBeGreaterThan(0);
      expect(cut).toBeGreaterThan(KILLS);
    },
  );
});
