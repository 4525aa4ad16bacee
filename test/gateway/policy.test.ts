/*
 * The policies that stand before credentials: their order, pair by pair, and what each does with what it does not know.
 */
import { describe, expect, it } from 'vitest';
import { readClientFacts, type ClientFacts } from '#gateway/request/client-key.ts';
import {
  extendPass,
  POLICY_ORDER,
  judgePolicy,
  judgeLists,
  judgeTrial,
  LONGEST_EXTENSION_SECONDS,
  type ClientList,
  type PolicyFacts,
  type StalePolicy,
  type TrafficClass,
  type PolicySettings,
} from '#gateway/policy/policy.ts';
import { createHalfOpenTrials } from '#gateway/policy/half-open.ts';
import { parseAddress, parseCidr } from '#protocol/cidr.ts';
import { nameClient } from '#gateway/request/client-key.ts';
import { type ControlIndex, type ControlView, type Maintenance } from '#src/ports.ts';

const NOW_MS = 1_000_000_000;
const NOW = NOW_MS / 1000;
const ORIGIN = 'http://origin.test';
const CHALLENGES = { challenges: { perMinute: 1, open: 1 } };

const list = ({ cidrs = [], countries = [], asns = [] }: { cidrs?: string[]; countries?: string[]; asns?: number[] }): ClientList => ({
  cidrs: cidrs.map((text) => parseCidr(text)!),
  countries: new Set(countries),
  asns: new Set(asns),
});
const client = (text?: string, more: Partial<ClientFacts> = {}): ClientFacts => {
  const address = text === undefined ? undefined : parseAddress(text);
  return { address, addressText: text, key: nameClient(address), country: undefined, asn: undefined, region: 0, ...more };
};
const view = (index: Partial<ControlIndex> = {}, isStale = false): ControlView => ({
  index: { openUntilMs: new Map(), maintenances: [], isRevoked: () => false, ...index },
  isStale,
});
const facts = (more: Partial<PolicyFacts> = {}): PolicyFacts => ({
  client: () => client('192.0.2.1'),
  control: view(),
  match: 'GET /a',
  isSold: true,
  origin: ORIGIN,
  nowMs: NOW_MS,
  ...more,
});
const settings = (more: Partial<PolicySettings> = {}): PolicySettings => ({
  hasMaintenance: true,
  hasBreaker: true,
  hasConcurrency: true,
  quota: { bounds: CHALLENGES, totals: CHALLENGES, repeats: true, paid: { bounds: CHALLENGES, totals: CHALLENGES } },
  ...more,
});
const POLICY: StalePolicy = { stale: 'refuse' };
const maintenance = (more: Partial<Maintenance> = {}): Maintenance => ({
  route: '*',
  fromSeconds: NOW - 10,
  extendsPasses: false,
  ...more,
});
const codeOf = (given: PolicyFacts, by = settings(), policy = POLICY) => judgePolicy(given, by, policy)?.code;

/** How each policy is made to refuse, how it is switched off, and what it says. */
const POLICYS = {
  lists: { facts: {}, on: { block: list({ cidrs: ['192.0.2.0/24'] }) }, off: {}, code: 'client_blocked' },
  control: { facts: { isStale: true }, on: {}, off: 'serve', code: 'control_unknown' },
  maintenance: { facts: { maintenances: [maintenance()] }, on: {}, off: { hasMaintenance: false }, code: 'maintenance' },
  breaker: { facts: { openUntilMs: new Map([[ORIGIN, NOW_MS + 5000]]) }, on: {}, off: { hasBreaker: false }, code: 'origin_down' },
} as const;
const NAMES = Object.keys(POLICYS) as readonly (keyof typeof POLICYS)[];
const PAIRS = NAMES.flatMap((first, index) => NAMES.slice(index + 1).map((second) => [first, second] as const));

function judge(refusing: readonly (keyof typeof POLICYS)[], switchedOff: readonly (keyof typeof POLICYS)[] = []) {
  const said: { isStale?: boolean } & Partial<ControlIndex> = Object.assign({}, ...refusing.map((name) => POLICYS[name].facts));
  const { isStale = false, ...index } = said;
  const on = refusing.filter((name) => !switchedOff.includes(name)).map((name) => POLICYS[name].on);
  const off = switchedOff.map((name) => POLICYS[name].off).filter((change) => change !== 'serve');
  const stale = switchedOff.includes('control') ? 'serve' : 'refuse';
  return codeOf(facts({ control: view(index, isStale) }), settings(Object.assign({}, ...on, ...off)), { ...POLICY, stale });
}

describe('the order of policy', () => {
  it('lets through what no policy refuses', () => {
    expect(judge([])).toBeUndefined();
  });

  it.each(NAMES)('D25: %s refuses alone, and can be switched off alone', (name) => {
    expect(judge([name])).toBe(POLICYS[name].code);
    expect(judge([name], [name])).toBeUndefined();
  });

  it.each(PAIRS)('D25: %s comes before %s, and the second stands without the first', (first, second) => {
    expect(POLICY_ORDER.indexOf(first)).toBeLessThan(POLICY_ORDER.indexOf(second));
    expect(judge([first, second])).toBe(POLICYS[first].code);
    expect(judge([second, first], [first])).toBe(POLICYS[second].code);
  });
});

describe('client lists', () => {
  it('block by address range, country and network', () => {
    const block = list({ cidrs: ['192.0.2.0/24', '2001:db8::/32'], countries: ['XA'], asns: [64_500] });
    const known = { country: 'DE', asn: 64_501 };
    const blocked = [
      client('192.0.2.9', known),
      client('::ffff:192.0.2.9', known),
      client('2001:db8:ffff::1', known),
      client('198.51.100.1', { ...known, country: 'XA' }),
      client('198.51.100.1', { ...known, asn: 64_500 }),
    ];
    for (const one of blocked) expect(judgeLists(one, { block })?.code).toBe('client_blocked');
    expect(judgeLists(client('198.51.100.1', known), { block })).toBeUndefined();
  });

  it('allow those that any entry names, and nobody else', () => {
    const allow = list({ cidrs: ['192.0.2.0/24'], countries: ['DE'] });
    expect(judgeLists(client('192.0.2.1'), { allow })).toBeUndefined();
    expect(judgeLists(client('198.51.100.1', { country: 'DE' }), { allow })).toBeUndefined();
    expect(judgeLists(client('198.51.100.1', { country: 'FR' }), { allow })?.code).toBe('client_blocked');
    expect(judgeLists(client(), { allow })?.code).toBe('client_blocked');
  });

  it('block before they allow', () => {
    const lists = { allow: list({ cidrs: ['192.0.2.0/24'] }), block: list({ cidrs: ['192.0.2.7'] }) };
    expect(judgeLists(client('192.0.2.7'), lists)?.code).toBe('client_blocked');
    expect(judgeLists(client('192.0.2.8'), lists)).toBeUndefined();
  });

  it.each([
    ['the address', list({ cidrs: ['192.0.2.0/24'] }), client()],
    ['the country', list({ countries: ['XA'] }), client('198.51.100.1')],
    ['the network', list({ asns: [1] }), client('198.51.100.1')],
  ])('block a client of which %s is not known', (_, block, unknown) => {
    expect(judgeLists(unknown, { block })?.code).toBe('client_blocked');
  });

  it('M21: cannot be passed by with a forged header', () => {
    const headers = new Headers({ 'cf-connecting-ip': '198.51.100.1', 'x-forwarded-for': '198.51.100.1' });
    const forged = readClientFacts({ headers, cf: { clientIp: '192.0.2.7:80' } }, undefined);
    expect(judgeLists(forged, { block: list({ cidrs: ['192.0.2.0/24'] }) })?.code).toBe('client_blocked');
  });
});

describe('a control snapshot', () => {
  it('M30: that is too old or missing closes sold routes, unless the seller said serve; free ones stay open', () => {
    for (const control of [view({}, true), { index: undefined, isStale: true }]) {
      expect(codeOf(facts({ control }))).toBe('control_unknown');
      expect(codeOf(facts({ control }), settings(), { ...POLICY, stale: 'serve' })).toBeUndefined();
      expect(codeOf(facts({ control, isSold: false }))).toBeUndefined();
    }
  });
});

describe('maintenance', () => {
  it.each([
    ['of all', maintenance(), 'maintenance'],
    ['of this route', maintenance({ route: 'GET /a' }), 'maintenance'],
    ['of another route', maintenance({ route: 'GET /b' }), undefined],
    ['that has ended', maintenance({ untilSeconds: NOW, extendsPasses: true }), undefined],
    ['that has not begun', maintenance({ fromSeconds: NOW + 1 }), undefined],
  ])('%s', (_, stretch, code) => {
    expect(codeOf(facts({ control: view({ maintenances: [stretch] }) }))).toBe(code);
  });

  it('says when it ends, where it knows', () => {
    const retry = (stretches: readonly Maintenance[]) =>
      judgePolicy(facts({ control: view({ maintenances: stretches }) }), settings(), POLICY)?.retryAfterSeconds;
    expect(retry([maintenance({ untilSeconds: NOW + 90 })])).toBe(90);
    expect(retry([maintenance()])).toBe(60);
    expect(retry([maintenance({ untilSeconds: NOW + 90 }), maintenance({ untilSeconds: NOW + 300 })])).toBe(300);
  });
});

describe('passes under maintenance', () => {
  const extend = (stretches: readonly Partial<Maintenance>[], validUntilSeconds: number, { nowSeconds = 10_000, soldAtSeconds = 0 } = {}) =>
    extendPass(
      stretches.map((stretch) => maintenance({ extendsPasses: true, ...stretch })),
      { match: 'GET /a', soldAtSeconds, validUntilSeconds, nowSeconds },
    );

  it('end later by its length when they were valid as it began', () => {
    expect(extend([{ fromSeconds: 1000, untilSeconds: 1600 }], 1001)).toBe(600);
    expect(extend([{ fromSeconds: 1000, untilSeconds: 1600 }], 1000)).toBe(0);
  });

  it('are extended while it lasts, by what has passed of it', () => {
    expect(extend([{ fromSeconds: 1000 }], 1500, { nowSeconds: 1400 })).toBe(400);
  });

  it('are extended by one after the other, the later of which began only thanks to the first', () => {
    expect(
      extend(
        [
          { fromSeconds: 2000, untilSeconds: 2100 },
          { fromSeconds: 1000, untilSeconds: 1600 },
        ],
        1500,
      ),
    ).toBe(700);
    expect(
      extend(
        [
          { fromSeconds: 2101, untilSeconds: 2200 },
          { fromSeconds: 1000, untilSeconds: 1600 },
        ],
        1500,
      ),
    ).toBe(600);
  });

  it('count the time of two at once only once, and of other routes or others orders not at all', () => {
    expect(
      extend(
        [
          { fromSeconds: 1000, untilSeconds: 1600 },
          { route: 'GET /a', fromSeconds: 1300, untilSeconds: 1700 },
        ],
        1500,
      ),
    ).toBe(700);
    expect(
      extend(
        [
          { fromSeconds: 1000, untilSeconds: 1600 },
          { route: 'GET /a', fromSeconds: 1100, untilSeconds: 1200 },
        ],
        1500,
      ),
    ).toBe(600);
    expect(extend([{ route: 'GET /b', fromSeconds: 1000, untilSeconds: 1600 }], 1500)).toBe(0);
    expect(extend([{ extendsPasses: false, fromSeconds: 1000, untilSeconds: 1600 }], 1500)).toBe(0);
  });

  it('M2: are never extended without bound', () => {
    expect(extend([{ fromSeconds: 1000 }], 1500, { nowSeconds: 100_000_000 })).toBe(LONGEST_EXTENSION_SECONDS);
  });

  it('M38: are not extended by maintenance that was over when they were sold, and by one under way only from the sale on', () => {
    const twelveHours = { fromSeconds: 1000, untilSeconds: 44_200 };
    expect(extend([twelveHours], 2_000_060, { soldAtSeconds: 2_000_000, nowSeconds: 2_040_000 })).toBe(0);
    expect(extend([twelveHours], 44_260, { soldAtSeconds: 44_200, nowSeconds: 50_000 })).toBe(0);
    expect(extend([twelveHours], 44_190, { soldAtSeconds: 44_100, nowSeconds: 50_000 })).toBe(100);
    expect(
      extend([twelveHours, { fromSeconds: 44_250, untilSeconds: 44_300 }], 44_260, { soldAtSeconds: 44_200, nowSeconds: 50_000 }),
    ).toBe(50);
  });
});

describe('the breaker', () => {
  const open = (openUntilMs: number) => facts({ control: view({ openUntilMs: new Map([[ORIGIN, openUntilMs]]) }) });

  it('M12: closes the routes of its origin only, and says when to come again', () => {
    expect(judgePolicy(open(NOW_MS + 4200), settings(), POLICY)).toMatchObject({ code: 'origin_down', retryAfterSeconds: 5 });
    expect(codeOf({ ...open(NOW_MS + 4200), origin: 'http://other.test' })).toBeUndefined();
  });

  it('M12: half open, one call a second of this isolate tries the origin', () => {
    expect(codeOf({ ...open(NOW_MS), nowMs: NOW_MS - 1 })).toBe('origin_down');
    expect(codeOf(open(NOW_MS))).toBeUndefined();
    const halfOpen = createHalfOpenTrials();
    const at = (nowMs: number, trafficClass: TrafficClass = 'paid', holders: readonly string[] = []) =>
      judgeTrial({ ...open(NOW_MS), nowMs }, settings(), { trafficClass, holders, halfOpen })?.code;
    expect([NOW_MS, NOW_MS + 1, NOW_MS + 999, NOW_MS + 1000].map((nowMs) => at(nowMs))).toEqual([
      undefined,
      'origin_down',
      'origin_down',
      undefined,
    ]);
    // Whoever has not paid cannot take the place of one who has (M22).
    for (let crowd = 0; crowd < 100; crowd++) at(NOW_MS + 2000 + crowd, 'unpaid');
    expect(at(NOW_MS + 2100)).toBeUndefined();
  });

  it('M12 M40: half open, a call that tells nothing of the origin gives its turn to another payer, and its own waits', () => {
    const halfOpen = createHalfOpenTrials();
    const trial = (holder: string) => ({ trafficClass: 'paid', origin: ORIGIN, holders: [holder, `client of ${holder}`] });
    expect([halfOpen.take(trial('a'), 0), halfOpen.take(trial('b'), 1)]).toEqual([true, false]);
    halfOpen.giveBack(trial('a'), 2);
    expect([halfOpen.take(trial('a'), 3), halfOpen.take({ ...trial('c'), holders: ['c', 'client of a'] }, 3)]).toEqual([false, false]);
    expect(halfOpen.take(trial('b'), 3)).toBe(true);
    expect([halfOpen.take(trial('a'), 10_001), halfOpen.take(trial('a'), 10_002)]).toEqual([false, true]);
  });

  it('M12: a trial is asked of nobody while it is closed, nor where it is switched off', () => {
    const never = {
      trafficClass: 'paid',
      holders: [],
      halfOpen: { isFree: () => false, take: () => false, giveBack: () => undefined },
    } as const;
    expect(judgeTrial(facts(), settings(), never)).toBeUndefined();
    expect(judgeTrial(open(NOW_MS), settings({ hasBreaker: false }), never)).toBeUndefined();
    expect(judgeTrial(open(NOW_MS), settings(), never)?.retryAfterSeconds).toBe(1);
  });
});
