/* What an isolate remembers of the quota's answers, and what it asks for every time. */
import { describe, expect, it } from 'vitest';
import { ANSWER_KEPT_MS, MOST_CLIENTS_REMEMBERED, rememberAnswers } from '#adapters/remembered-quota.ts';
import { LEAST_REPEATED_LIFE_MS } from '#durable-objects/issued-rules.ts';
import { type QuotaAnswer, type QuotaOrder, type ReadyChallenge } from '#src/ports.ts';
import { openQuota } from '#support/fakes.ts';

const START_MS = 1_000_000;
const bounds = { challenges: { perMinute: 1, open: 1 } };
const totals = { challenges: { perMinute: 9, open: 9 } };
const refused: QuotaAnswer = { kind: 'refused', by: 'challenges', retryAfterSeconds: 30, readings: [] };
const item: ReadyChallenge = {
  id: '00',
  paymentHashHex: 'aa',
  invoice: 'ln',
  token: 't',
  endsAtMs: START_MS + LEAST_REPEATED_LIFE_MS + 500,
};
const again: QuotaAnswer = { kind: 'challenge', readings: [], item, isRepeated: true };

type Ask = QuotaOrder['ask'];

function open(answer: QuotaAnswer, ofShown = answer) {
  const time = { nowMs: START_MS };
  let asked = 0;
  const quota = rememberAnswers(
    { ...openQuota, ask: ({ ask }) => ((asked += 1), Promise.resolve(ask.presented?.includes('aa') === true ? ofShown : answer)) },
    () => time.nowMs,
  );
  const orderOf = (ask: Partial<Ask> = {}, changes: Partial<QuotaOrder> = {}): QuotaOrder => ({
    client: { key: '192.0.2.1' },
    trafficClass: 'unpaid',
    bounds,
    totals,
    region: 0,
    ...changes,
    ask: { scope: 's', challengeId: '01', challengeMs: 1000, offer: { key: 'o', repeats: true }, presented: [], ...ask },
  });
  /** How often the object was asked for these. */
  const count = async (...orders: readonly QuotaOrder[]) => {
    asked = 0;
    for (const order of orders) await quota.ask(order);
    return asked;
  };
  return { time, quota, orderOf, count };
}

describe('a client that is refused', () => {
  it('M37: is remembered for a second at most, and no longer than the object would refuse', async () => {
    const { time, orderOf, count } = open(refused);
    expect(await count(...Array.from({ length: 100 }, () => orderOf()))).toBe(1);
    time.nowMs += ANSWER_KEPT_MS - 1;
    expect(await count(orderOf())).toBe(0);
    time.nowMs += 1;
    expect(await count(orderOf(), orderOf())).toBe(1);
    // A clock that goes back makes nothing last.
    time.nowMs -= 3_600_000;
    expect(await count(orderOf())).toBe(1);
  });

  it('M37: is refused whatever payment hashes it makes up, and under every name of a challenge', async () => {
    const { orderOf, count } = open(refused);
    const orders = Array.from({ length: 100 }, (_, index) => orderOf({ presented: [`${index}`], challengeId: `${index}` }));
    expect(await count(...orders)).toBe(1);
  });

  it('M37: is refused for every offer of the service but those of which it has a challenge already', async () => {
    const { orderOf, count } = open({ ...refused, held: ['mine'] });
    expect(await count(orderOf(), orderOf({ offer: { key: 'other', repeats: true } }))).toBe(1);
    expect(await count(orderOf({ offer: { key: 'mine', repeats: true } }))).toBe(1);
  });

  it('M37: is asked about anew for what the object did not look at', async () => {
    const { orderOf, count } = open(refused);
    const others = [
      orderOf({ scope: 'other' }),
      orderOf({}, { trafficClass: 'paid' }),
      orderOf({}, { bounds: { ...bounds } }),
      orderOf({}, { totals: { ...totals } }),
      orderOf({}, { client: { key: '192.0.2.2' } }),
    ];
    expect(await count(orderOf(), ...others)).toBe(1 + others.length);
    const unread = open(refused);
    // What was shown could not be read, so the object has not looked for a challenge that could be given again.
    expect(await unread.count(unread.orderOf({ presented: undefined }), unread.orderOf())).toBe(2);
  });

  it('M37: is forgotten when it has paid, or was given a challenge', async () => {
    const { quota, orderOf, count } = open(refused);
    const client = { key: '192.0.2.1' };
    const steps = [
      () => quota.giveBack({ client, challengeId: '00' }, () => undefined),
      () => quota.keep({ client, trafficClass: 'unpaid', offer: 'o', item }),
    ];
    for (const step of steps) {
      await count(orderOf());
      expect(await count(orderOf())).toBe(0);
      step();
      expect(await count(orderOf())).toBe(1);
    }
  });

  it('M37: is one of a bounded number', async () => {
    const { orderOf, count } = open(refused);
    const crowd = Array.from({ length: MOST_CLIENTS_REMEMBERED }, (_, index) => orderOf({}, { client: { key: `c${index}` } }));
    expect(await count(orderOf(), ...crowd, orderOf())).toBe(MOST_CLIENTS_REMEMBERED + 2);
  });
});

describe('a challenge that is given again', () => {
  it('M37 M18: is given to the same client for the same offer, as long as it lives long enough', async () => {
    const { time, orderOf, count } = open(again);
    expect(await count(orderOf(), orderOf({ presented: ['bb'] }))).toBe(1);
    expect(await count(orderOf({ offer: { key: 'other', repeats: true } }))).toBe(1);
    expect(await count(orderOf({ offer: { key: 'o', repeats: false } }), orderOf({ presented: undefined }))).toBe(2);
    time.nowMs += 501;
    expect(await count(orderOf())).toBe(1);
  });

  it('M37 M18: is not given by memory once its payment was shown', async () => {
    const { orderOf, count } = open(again, { ...refused, retryAfterSeconds: 0 });
    await count(orderOf());
    expect(await count(orderOf({ presented: ['aa'] }))).toBe(1);
    expect(await count(orderOf())).toBe(1);
  });

  it('M37: is asked for each time where requests are counted', async () => {
    const { orderOf, count } = open(again);
    const counted = { bounds: { ...bounds, requests: { limit: 9, windowMs: 1000 } } };
    expect(await count(orderOf({}, counted), orderOf({}, counted))).toBe(2);
  });
});

it.each([
  ['a free call', { kind: 'free', readings: [] }],
  ['a new challenge', { kind: 'challenge', readings: [], item }],
  ['a challenge that is to be made', { kind: 'challenge', readings: [] }],
] as const)('M37: %s is never given from memory', async (_, answer) => {
  const { orderOf, count } = open(answer);
  expect(await count(orderOf(), orderOf(), orderOf())).toBe(3);
});
