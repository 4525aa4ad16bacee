/* What an isolate remembers of look-ups, and how many it allows (M24). */
import { describe, expect, it } from 'vitest';
import {
  createSettlement,
  LOOK_UP_WINDOW_MS,
  MOST_LOOK_UPS,
  MOST_LOOK_UPS_OF_CLIENT,
  UNSETTLED_KEPT_MS,
} from '#gateway/payment/settlement.ts';
import { type Lightning } from '#src/ports.ts';
import { deadNode } from '#support/fakes.ts';

const hashOf = (index: number) => new Uint8Array(32).fill(index % 256).fill(index >> 8, 16);

function start(lookUp: Lightning['lookUp']) {
  let nowMs = 1_800_000_000_000;
  const looked: Uint8Array[] = [];
  const lightning: Lightning = {
    ...deadNode,
    lookUp(hash) {
      looked.push(hash);
      return lookUp(hash);
    },
  };
  const prove = createSettlement();
  const deps = { lightning, clock: () => nowMs, log: () => undefined };
  return {
    looked,
    pass: (ms: number) => void (nowMs += ms),
    prove: async (index: number, client = `client ${index}`) => (await prove({ paymentHash: hashOf(index), client }, deps))?.code,
  };
}

describe('look-ups of an isolate', () => {
  it('M24: that find a payment are not repeated; those that do not are kept for five seconds', async () => {
    let state: 'open' | 'settled' = 'open';
    const { prove, pass, looked } = start(async () => state);
    expect(UNSETTLED_KEPT_MS).toBe(5000);
    expect(await prove(1)).toBe('invoice_unsettled');
    state = 'settled';
    pass(UNSETTLED_KEPT_MS - 1);
    expect(await prove(1)).toBe('invoice_unsettled');
    pass(1);
    expect([await prove(1), await prove(1), looked.length]).toEqual([undefined, undefined, 2]);
  });

  it('M24: that fail are not kept: the next request asks again', async () => {
    const { prove, looked } = start(() => Promise.reject(new Error('down')));
    expect([await prove(1), await prove(1), looked.length]).toEqual(['settlement_unknown', 'settlement_unknown', 2]);
  });

  it('M24: are bounded in all, however many clients there are, until the window is over', async () => {
    const { prove, pass, looked } = start(async () => 'open');
    const codes: (string | undefined)[] = [];
    for (let index = 0; index <= MOST_LOOK_UPS; index++) codes.push(await prove(index));
    expect([looked.length, codes.at(-2), codes.at(-1)]).toEqual([MOST_LOOK_UPS, 'invoice_unsettled', 'settlement_unknown']);
    pass(LOOK_UP_WINDOW_MS);
    expect(await prove(MOST_LOOK_UPS)).toBe('invoice_unsettled');
  });

  it('M24: are bounded for one client while they are under way too', async () => {
    const answers: ((state: 'settled') => void)[] = [];
    const { prove, looked } = start(() => new Promise((resolve) => void answers.push(resolve)));
    const asked = Array.from({ length: MOST_LOOK_UPS_OF_CLIENT + 1 }, (_, index) => prove(index, 'one'));
    expect(await asked.at(-1)).toBe('settlement_unknown');
    expect(looked).toHaveLength(MOST_LOOK_UPS_OF_CLIENT);
    for (const answer of answers) answer('settled');
    expect(new Set(await Promise.all(asked.slice(0, -1)))).toEqual(new Set([undefined]));
    const next = prove(MOST_LOOK_UPS_OF_CLIENT, 'one');
    answers.at(-1)!('settled');
    expect(await next).toBeUndefined();
  });
});
