/*
 * What one who has not paid may have, with the time passed in.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  askQuota,
  NO_USAGE,
  giveBackChallenge,
  GROUP_FACTOR,
  MOST_FREE_SCOPES,
  widenBounds,
  type QuotaAnswer,
  type QuotaBounds,
  type Usage,
} from '#durable-objects/quota-rules.ts';

const BOUNDS: QuotaBounds = { challenges: { perMinute: 3, open: 5 } };
const MINUTE = 60_000;
const TEN_MINUTES = 600_000;

interface Ask {
  readonly atMs: number;
  readonly scope?: string;
  readonly id?: string;
  readonly challengeMs?: number;
}

/** Asks in turn under some levels; the usage counts go from one to the next. */
function asker(...levels: readonly QuotaBounds[]) {
  let usages: readonly Usage[] = levels.map(() => NO_USAGE);
  let count = 0;
  return {
    ask({ atMs, scope = 'route', id = `c${count++}`, challengeMs = TEN_MINUTES }: Ask): QuotaAnswer {
      const now = levels.map((bounds, index) => ({ bounds, usage: usages[index]! }));
      const decision = askQuota(now, { scope, challengeId: id, challengeMs }, atMs);
      usages = decision.usages ?? usages;
      return decision.answer;
    },
    giveBack(id: string, wasMade?: false) {
      const given = wasMade === undefined ? { challengeId: id } : { challengeId: id, wasMade };
      usages = usages.map((usage) => giveBackChallenge(usage, given) ?? usage);
    },
    get usages() {
      return usages;
    },
  };
}
const kinds = (answers: readonly QuotaAnswer[]) => answers.map((answer) => (answer.kind === 'refused' ? answer.by : answer.kind));
const repeat = (times: number, ask: (index: number) => QuotaAnswer) => Array.from({ length: times }, (_, index) => ask(index));

describe('challenges', () => {
  it('that could not be made are not open, and count in their minute', () => {
    const client = asker({ challenges: { perMinute: 3, open: 3 } });
    for (let minute = 0; minute < 5; minute++) {
      const asked = repeat(4, (index) => client.ask({ atMs: minute * 60_000, id: `${minute} ${index}` }));
      expect(kinds(asked)).toEqual(['challenge', 'challenge', 'challenge', 'challenges']);
      repeat(3, (index) => {
        client.giveBack(`${minute} ${index}`, false);
        return asked[0]!;
      });
    }
  });

  it('are offered so often a minute, by a window that slides', () => {
    const client = asker(BOUNDS);
    expect(kinds([0, 20_000, 40_000, 59_999, 60_000, 61_000, 80_000].map((atMs) => client.ask({ atMs, challengeMs: 1 })))).toEqual([
      'challenge',
      'challenge',
      'challenge',
      'challenges',
      'challenge',
      'challenges',
      'challenge',
    ]);
  });

  it('are open in a bounded number until their invoices expire, and the refusal says until when', () => {
    const client = asker(BOUNDS);
    for (let index = 0; index < 5; index++) expect(client.ask({ atMs: index * MINUTE }).kind).toBe('challenge');
    const refused = client.ask({ atMs: 5 * MINUTE });
    expect(refused).toEqual({
      kind: 'refused',
      by: 'challenges',
      retryAfterSeconds: 300,
      readings: [{ policy: 'challenges', remaining: 0, resetSeconds: 300 }],
    });
    expect(client.ask({ atMs: TEN_MINUTES - 1 }).kind).toBe('refused');
    expect(client.ask({ atMs: TEN_MINUTES }).kind).toBe('challenge');
  });

  it('that were paid are given back, each once', () => {
    const client = asker({ challenges: { perMinute: 2, open: 2 } });
    client.ask({ atMs: 0, id: 'one' });
    client.ask({ atMs: 1, id: 'two' });
    expect(client.ask({ atMs: 2 }).kind).toBe('refused');
    client.giveBack('one');
    client.giveBack('one');
    client.giveBack('never offered');
    expect(kinds([client.ask({ atMs: 3 }), client.ask({ atMs: 4 })])).toEqual(['challenge', 'challenges']);
  });

  it('never stop one who pays for each', () => {
    const client = asker({ challenges: { perMinute: 1, open: 1 } });
    for (let index = 0; index < 500; index++) {
      expect(client.ask({ atMs: index, id: `${index}` }).kind).toBe('challenge');
      client.giveBack(`${index}`);
    }
  });

  it('tell what is left', () => {
    const client = asker(BOUNDS);
    expect(client.ask({ atMs: 0 }).readings).toEqual([{ policy: 'challenges', remaining: 2, resetSeconds: 60 }]);
    expect(client.ask({ atMs: 10_000 }).readings).toEqual([{ policy: 'challenges', remaining: 1, resetSeconds: 50 }]);
  });

  it('M20: never exceed any bound of any level, whatever is asked and given back', () => {
    const asks = fc.array(fc.record({ gap: fc.nat({ max: 40_000 }), back: fc.option(fc.nat({ max: 20 })) }), { maxLength: 60 });
    const total = { challenges: { perMinute: 4, open: 6 } };
    fc.assert(
      fc.property(asks, (steps) => {
        const client = asker(BOUNDS, total);
        let atMs = 0;
        let id = 0;
        for (const { gap, back } of steps) {
          atMs += gap;
          if (back !== null) client.giveBack(`${back}`);
          const before = client.usages;
          const { kind } = client.ask({ atMs, id: `${id++}`, challengeMs: 90_000 });
          if (kind === 'refused') expect(client.usages).toBe(before);
          for (const [index, { perMinute, open }] of [BOUNDS.challenges, total.challenges].entries()) {
            const { challenges } = client.usages[index]!;
            expect(challenges.filter((challenge) => challenge.atMs > atMs - MINUTE).length).toBeLessThanOrEqual(perMinute);
            expect(challenges.filter(({ endsAtMs }) => endsAtMs > atMs).length).toBeLessThanOrEqual(open);
          }
        }
      }),
    );
  });
});

describe('free calls', () => {
  const day = { calls: 3, periodMs: 86_400_000 };
  const bounds: QuotaBounds = { ...BOUNDS, free: day };

  it('are given so often a period, and then a challenge', () => {
    const client = asker(bounds);
    expect(kinds(repeat(5, (atMs) => client.ask({ atMs })))).toEqual(['free', 'free', 'free', 'challenge', 'challenge']);
    expect(client.ask({ atMs: 86_399_999 }).kind).toBe('challenge');
    expect(client.ask({ atMs: 86_400_000 })).toEqual({
      kind: 'free',
      readings: [{ policy: 'free', remaining: 2, resetSeconds: 86_400 }],
    });
  });

  it('are counted for each route by itself, for a bounded number of routes', () => {
    const client = asker({ ...bounds, free: { ...day, calls: 1 } });
    const scopes = Array.from({ length: MOST_FREE_SCOPES + 1 }, (_, index) => `route ${index}`);
    const answers = kinds(scopes.map((scope) => client.ask({ atMs: 0, scope })));
    expect(answers.slice(0, -1).every((kind) => kind === 'free')).toBe(true);
    expect(answers.at(-1)).toBe('challenge');
    expect(client.ask({ atMs: 1, scope: scopes[0]! }).kind).toBe('challenge');
  });

  it('M20: have a total too: a thousand new clients get no more than that', () => {
    let total = NO_USAGE;
    const levels = {
      own: { ...bounds, challenges: { perMinute: 99, open: 99 } },
      total: { free: { ...day, calls: 50 }, challenges: { perMinute: 10, open: 10 } },
    };
    const given = repeat(1000, (index) => {
      const decision = askQuota(
        [
          { usage: NO_USAGE, bounds: levels.own },
          { usage: total, bounds: levels.total },
        ],
        { scope: 'route', challengeId: `${index}`, challengeMs: TEN_MINUTES },
        0,
      );
      total = decision.usages?.[1] ?? total;
      return decision.answer;
    });
    expect(given.filter(({ kind }) => kind === 'free')).toHaveLength(50);
    expect(given.filter(({ kind }) => kind === 'challenge')).toHaveLength(10);
  });

  it('are none where none are configured', () => {
    expect(asker(BOUNDS).ask({ atMs: 0 }).kind).toBe('challenge');
  });
});

describe('requests', () => {
  const bounds: QuotaBounds = { requests: { limit: 2, windowMs: 10_000 }, challenges: { perMinute: 99, open: 99 } };

  it('D21: of one client pass so often in a window that slides, before anything else is looked at', () => {
    const client = asker({ ...bounds, free: { calls: 99, periodMs: MINUTE } });
    const refused = repeat(3, (index) => client.ask({ atMs: index * 1000 }))[2];
    expect(refused).toEqual({
      kind: 'refused',
      by: 'requests',
      retryAfterSeconds: 8,
      readings: [{ policy: 'requests', remaining: 0, resetSeconds: 8 }],
    });
    expect(kinds([9999, 10_000, 10_001, 11_000].map((atMs) => client.ask({ atMs })))).toEqual(['requests', 'free', 'requests', 'free']);
  });

  it('are not counted when the challenge is refused', () => {
    const client = asker({ ...bounds, challenges: { perMinute: 1, open: 1 } });
    expect(kinds(repeat(5, (atMs) => client.ask({ atMs })))).toEqual(['challenge', 'challenges', 'challenges', 'challenges', 'challenges']);
    expect(client.usages[0]!.requests).toHaveLength(1);
  });

  it('M20: of a larger network pass ten times as often as of one client, however many clients it makes up', () => {
    let group = NO_USAGE;
    const answers = repeat(1000, (index) => {
      const decision = askQuota(
        [
          { usage: NO_USAGE, bounds },
          { usage: group, bounds: widenBounds(bounds) },
        ],
        { scope: 'route', challengeId: `${index}`, challengeMs: 1 },
        0,
      );
      group = decision.usages?.[1] ?? group;
      return decision.answer;
    });
    expect(GROUP_FACTOR).toBe(10);
    expect(answers.filter(({ kind }) => kind === 'challenge')).toHaveLength(20);
    expect(answers.at(-1)).toMatchObject({ kind: 'refused', by: 'requests', retryAfterSeconds: 10 });
  });
});

it('a usage count is worth keeping until the last thing in it has ended', () => {
  const client = asker({
    requests: { limit: 9, windowMs: 1000 },
    free: { calls: 1, periodMs: 5000 },
    challenges: { perMinute: 9, open: 9 },
  });
  client.ask({ atMs: 0 });
  expect(client.usages[0]!.endsAtMs).toBe(5000);
  client.ask({ atMs: 1, challengeMs: TEN_MINUTES });
  expect(client.usages[0]!.endsAtMs).toBe(TEN_MINUTES + 1);
});
