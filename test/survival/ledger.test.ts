/*
 * The judge is judged: what the ledger of the survival suite lets pass, and what it does not.
 */
import { describe, expect, it } from 'vitest';
import { createLedger, judge, type Ending } from './ledger.ts';

function openLedger(limit: number) {
  const ledger = createLedger();
  const account = ledger.openAccount({ name: 'payment', limit, isPayment: true });
  const use = (ending: Ending, { isDone = ending === 'counted' } = {}) => {
    const begun = ledger.begin('object', [{ account, cost: 1 }]);
    begun.isDone = isDone;
    begun.isAtOrigin = isDone;
    ledger.end(begun, ending);
  };
  return { ledger, account, use, verdict: () => judge(ledger.accounts) };
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

  it('sees a payment that is spent without a call, and forgives four doubts no more', () => {
    const once = openLedger(1);
    once.use('cut', { isDone: false });
    once.ledger.kill();
    once.account.left = 0;
    expect(once.verdict().lost).toHaveLength(1);

    const often = openLedger(1);
    for (let kills = 0; kills < 4; kills++) {
      often.use('cut', { isDone: false });
      often.ledger.kill();
    }
    often.account.left = 0;
    expect(often.verdict()).toEqual(CLEAN);
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
