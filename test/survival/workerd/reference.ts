/*
 * The reference for the model test: what a gateway must answer, from a few numbers a payment. No rows, no leases over
 * sessions, no tokens: it knows what was sold, what was told, and what time it is. Pure.
 */

export type Unit = 'calls' | 'msat';

/** A limit that a holder has put on a token. */
export interface Limit {
  readonly unit: Unit;
  readonly most: number;
  used: number;
  /** Of calls with a token whose first limit this is: who holds it cools down alone. Forgotten at a restart. */
  releases: number;
  coolsUntilMs: number;
}

/** A call that nobody has said the outcome of. */
interface Doubt {
  readonly endsAtMs: number;
  readonly cost: number;
  readonly limits: readonly (readonly [Limit, number])[];
}

export interface Payment {
  readonly service: string;
  readonly keyId: number;
  readonly unit: Unit;
  /** Nothing: a pass. */
  readonly bought: number | undefined;
  used: number;
  doubts: readonly Doubt[];
  releases: number;
  coolsUntilMs: number;
  /** When each event began by which calls were abandoned. */
  abandonedAtMs: readonly number[];
  /** First limits of tokens whose calls were given back, one after the other. */
  readonly failing: Set<Limit>;
  /** By the operator, with every token over it. */
  isRevoked: boolean;
}

export interface Token {
  readonly payment: Payment;
  readonly limits: readonly Limit[];
  readonly endsAtSeconds: number;
  readonly folder: string | undefined;
}

export interface Asked {
  readonly folder: string;
  readonly priceMsat: number;
  readonly origin: 'good' | 'fails' | 'vanishes';
  readonly nowMs: number;
  readonly keyIds: readonly number[];
}

export interface Expected {
  readonly status: number;
  /** Any of these: a token may be bad in two ways. Empty: the origin has answered. */
  readonly codes: readonly string[];
  readonly left?: number | undefined;
}

const SKEW_SECONDS = 30;
/** The origin's time and a minute. */
const LEASE_MS = 85_000;
const FORGIVEN = 3;
/** From so many failing holders on the payment cools down itself. */
const MANY = 8;
const ONE_EVENT_MS = 60_000;
const COOLING_MS = 10_000;

/** What the gateway must answer to this call, and what is true afterwards. */
export function expectUse(token: Token, { folder, priceMsat, origin, nowMs, keyIds }: Asked): Expected {
  const { payment, limits } = token;
  const refusal = (status: number, ...codes: readonly string[]): Expected => ({ status, codes });
  if (!keyIds.includes(payment.keyId)) return refusal(402, 'token_key_unknown');
  if (payment.isRevoked) return refusal(402, 'token_revoked');
  const bad = [
    ...(nowMs / 1000 >= token.endsAtSeconds + SKEW_SECONDS ? ['token_expired'] : []),
    ...(token.folder !== undefined && token.folder !== folder ? ['caveat_path'] : []),
  ];
  if (bad.length > 0) return refusal(402, ...bad);
  const answer = (left: number | undefined): Expected => ({ status: origin === 'fails' ? 503 : 200, codes: [], left });
  if (payment.bought === undefined && limits.length === 0) return answer(undefined);
  const takes = limits.map((limit) => [limit, limit.unit === 'calls' ? 1 : priceMsat] as const);
  if (takes.some(([{ most }, cost]) => cost > most)) return refusal(402, 'caveat_exhausted');

  endDoubts(payment, nowMs);
  const holder = limits[0];
  if (nowMs < Math.max(payment.coolsUntilMs, holder?.coolsUntilMs ?? 0)) return refusal(429, 'payment_cooling');
  const bought = payment.bought ?? Infinity;
  const cost = payment.unit === 'msat' ? priceMsat : 1;
  const inDoubt = payment.doubts.reduce((sum, doubt) => sum + doubt.cost, 0);
  if (payment.used + cost > bought) {
    if (payment.used - inDoubt + cost <= bought) return refusal(409, 'claim_in_flight');
    // After the clock was set back an isolate may remember the other reason for a moment (M37).
    const isNarrowedOut = takes.some(([limit, taken]) => limit.used + taken > limit.most);
    return refusal(402, 'payment_spent', ...(isNarrowedOut ? ['caveat_exhausted'] : []));
  }
  for (const [limit, taken] of takes) {
    if (limit.used + taken <= limit.most) continue;
    const held = payment.doubts.flatMap((doubt) => doubt.limits).reduce((sum, [one, part]) => sum + (one === limit ? part : 0), 0);
    return limit.used - held + taken > limit.most ? refusal(402, 'caveat_exhausted') : refusal(409, 'claim_in_flight');
  }

  payment.coolsUntilMs = 0;
  const left = () =>
    Math.min(bought - payment.used, ...limits.filter(({ unit }) => unit === payment.unit).map(({ most, used }) => most - used));
  if (origin === 'fails') {
    const cooled = holder === undefined || payment.failing.size >= MANY ? payment : holder;
    if (holder !== undefined && cooled === holder) payment.failing.add(holder);
    cooled.releases += 1;
    if (cooled.releases >= FORGIVEN) cooled.coolsUntilMs = nowMs + COOLING_MS * 2 ** (cooled.releases - FORGIVEN);
    return answer(left());
  }
  take(payment, { cost, limits: takes });
  if (origin === 'vanishes') payment.doubts = [...payment.doubts, { endsAtMs: nowMs + LEASE_MS, cost, limits: takes }];
  else {
    payment.releases = 0;
    if (holder !== undefined) forgetHolder(payment, holder);
  }
  return answer(left());
}

function forgetHolder({ failing }: Payment, holder: Limit): void {
  failing.delete(holder);
  Object.assign(holder, { releases: 0, coolsUntilMs: 0 });
}

/** What objects keep in memory only is gone. */
export function forgetHolders(tokens: readonly Token[]): void {
  for (const { payment } of tokens) for (const holder of payment.failing) forgetHolder(payment, holder);
}

/** A call without outcome is good again at the end of its lease, for three minutes of a payment in which such leases end. */
function endDoubts(payment: Payment, nowMs: number): void {
  for (const doubt of payment.doubts.filter(({ endsAtMs }) => endsAtMs <= nowMs).toSorted((one, other) => one.endsAtMs - other.endsAtMs)) {
    payment.doubts = payment.doubts.filter((other) => other !== doubt);
    const latest = payment.abandonedAtMs.at(-1);
    if (latest === undefined || doubt.endsAtMs - latest >= ONE_EVENT_MS) {
      if (payment.abandonedAtMs.length === FORGIVEN) continue;
      payment.abandonedAtMs = [...payment.abandonedAtMs, doubt.endsAtMs];
    }
    take(payment, { cost: -doubt.cost, limits: doubt.limits.map(([limit, part]) => [limit, -part]) });
  }
}

function take(payment: Payment, { cost, limits }: Pick<Doubt, 'cost' | 'limits'>): void {
  payment.used += cost;
  for (const [limit, part] of limits) limit.used += part;
}
