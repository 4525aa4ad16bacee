/*
 * The judge is judged: what the ledger of the survival suite lets pass, and what it does not.
 */
import { describe, expect, it } from 'vitest';
import { createLedger, judge, ONE_EVENT_MS, type Ending } from './ledger.ts';

function openLedger(limit: number) {
  let nowMs = 0;
  const ledger = createLedger(() => nowMs);
  const account = ledger.openAccount({ name: 'payment', limit, isPayment: true });
  const use = (ending: Ending, { isDone = ending === 'counted' } = {}) => {
    const begun = ledger.begin('object', [{ account, cost: 1 }]);
    begun.isDone = isDone;
    begun.isAtOrigin = isDone;
    ledger.end(begun, ending);
  };
  const wait = (ms: number) => void (nowMs += ms);
  return { ledger, account, use, wait, verdict: () => judge(ledger.accounts) };
}

const CLEAN = { overspent: [], lost: [] };

describe('the ledger of the survival suite', () => {
  it('allows the last answer before a kill to be given back, and nothing before it', () => {
    const window = openLedger(1);
    window.use('counted');
    window.ledger.kill();
    window.use('counted');
    window.ledger.settle();
    expect(window.verdict()).toEqual(CLEAN);

    const recorded = openLedger(1);
    recorded.use('counted');
    recorded.use('refused');
    recorded.ledger.kill();
    recorded.use('counted');
    recorded.ledger.settle();
    expect(recorded.verdict().overspent).toHaveLength(1);
  });

  it('sees two answers to a payment for one call without any kill', () => {
    const { use, ledger, verdict } = openLedger(1);
    use('counted');
    use('counted');
    ledger.settle();
    expect(verdict().overspent).toHaveLength(1);
  });

  it('sees a payment that is spent without a call, and forgives no fourth event', () => {
    const once = openLedger(1);
    once.use('cut', { isDone: false });
    once.ledger.kill();
    once.account.left = 0;
    expect(once.verdict().lost).toHaveLength(1);

    for (const [apartMs, lost] of [
      [ONE_EVENT_MS, 0],
      [1000, 1],
    ] as const) {
      const often = openLedger(1);
      for (let kills = 0; kills < 4; kills++) {
        often.use('cut', { isDone: false });
        often.ledger.kill();
        often.wait(apartMs);
      }
      often.account.left = 0;
      expect(often.verdict().lost).toHaveLength(lost);
    }
  });

  it('lets no more be given back than was abandoned in three minutes', () => {
    const { use, ledger, wait, verdict } = openLedger(4);
    for (let kills = 0; kills < 4; kills++) {
      use('counted');
      ledger.kill();
      wait(2 * ONE_EVENT_MS);
    }
    for (let call = 0; call < 3; call++) use('counted');
    ledger.settle();
    expect(verdict()).toEqual(CLEAN);
    use('counted');
    ledger.settle();
    expect(verdict().overspent).toHaveLength(1);
  });

  it('counts what the origin has done for a client that was cut off', () => {
    const { account, use, ledger, verdict } = openLedger(1);
    use('cut', { isDone: true });
    ledger.kill();
    account.left = 0;
    expect(verdict()).toEqual(CLEAN);
    for (let times = 0; times < 3; times++) use('counted');
    ledger.settle();
    expect(verdict().overspent).toHaveLength(1);
  });
});
