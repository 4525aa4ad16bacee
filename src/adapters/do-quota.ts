/*
 * The quota port over Durable Objects: clients spread over a fixed number of objects, one call for each ask. Challenges that
 * were paid, and those that were made for an ask, ride along with the next ask of the same object, so that neither costs a
 * call of its own; what was paid is told within a second all the same, so that nobody is offered it again (M18).
 */
import { type KeptChallenge, type Quota as QuotaObject, type StockedOffer } from '#durable-objects/quota.ts';
import { REGION_UNKNOWN } from '#protocol/region.ts';
import { type PoolBounds } from '#durable-objects/pool-rules.ts';
import { type ClientKey, type PaidChallenge, type QuotaBounds } from '#durable-objects/quota-rules.ts';
import { placedIn } from './object-places.ts';
import { type Background, type Clock, type Quota, type QuotaLane, type Wait } from '../ports.ts';

/** Objects that share all clients. Another number is another set of objects, and everyone starts anew. */
export const QUOTA_SHARDS = 16;
/** Paid challenges that wait for an ask of their object; more are sent on their own. */
const MOST_WAITING = 64;
/** Paid challenges that an isolate keeps for an object that cannot be told. */
const MOST_UNTOLD = 256;
/** Made challenges that wait likewise; of more, the oldest cannot be given again. */
const MOST_KEPT = 64;
/** Challenges that this isolate has given back: a token for many calls is given back once. */
const MOST_REMEMBERED = 1024;
const TELL_MS = 1000;

/** A report that has been under way for longer was cut off with the request that began it. */
const LONGEST_TELL_MS = 5000;

export interface DurableQuotaOptions {
  /** `undefined`: what was paid waits for the next ask, however long. */
  readonly time?: { readonly clock: Clock; readonly wait: Wait };
}

interface Waiting {
  readonly paid: PaidChallenge[];
  readonly kept: (KeptChallenge & { readonly lane: QuotaLane })[];
}

/** Quotas in the objects of a namespace. */
export function createDurableQuota(namespace: DurableObjectNamespace<QuotaObject>, { time }: DurableQuotaOptions = {}): Quota {
  const waiting = Array.from({ length: QUOTA_SHARDS }, (): Waiting => ({ paid: [], kept: [] }));
  const tellingSinceMs = new Map<number, number>();
  const givenBack = new Set<string>();
  const stubFor = (place: number, region = REGION_UNKNOWN) => namespace.get(namespace.idFromName(nameObject(place)), placedIn(region));
  /** What was told is forgotten once the object has said so: saying it twice changes nothing. */
  const tell = async (place: number): Promise<void> => {
    const { paid } = waiting[place]!;
    const told = [...paid];
    if (told.length === 0) return;
    await stubFor(place).giveBack(told);
    const isTold = new Set(told);
    waiting[place]!.paid.splice(0, Infinity, ...paid.filter((challenge) => !isTold.has(challenge)));
  };
  const tellSoon = (place: number, background: Background) => {
    if (time === undefined) return;
    const nowMs = time.clock();
    const sinceMs = tellingSinceMs.get(place);
    if (sinceMs !== undefined && Math.abs(nowMs - sinceMs) < LONGEST_TELL_MS) return;
    tellingSinceMs.set(place, nowMs);
    const done = () => {
      if (tellingSinceMs.get(place) === nowMs) tellingSinceMs.delete(place);
    };
    const told = time
      .wait(TELL_MS)
      .then(() => tell(place))
      .finally(done);
    // Told with the next ask, or the next report, when it fails.
    background(told.catch(() => undefined));
  };
  const share = (offer: { readonly key: string; readonly bounds: PoolBounds }): StockedOffer => ({
    ...offer,
    bounds: sharePool(offer.bounds),
  });
  return {
    placeOf,
    async ask({ client, lane, ask, bounds, totals, region }) {
      const place = placeOf(client);
      const { paid, kept } = waiting[place]!;
      const { offer } = ask;
      const shared = offer?.pool === undefined ? ask : { ...ask, offer: { ...offer, pool: sharePool(offer.pool) } };
      const totalsHere = shareBounds(totals);
      const told = { paid: paid.splice(0), kept: kept.splice(0) };
      try {
        return await stubFor(place, region).ask({ client, lane, ask: shared, bounds, totals: totalsHere, ...told });
      } catch (error) {
        paid.unshift(...told.paid);
        kept.unshift(...told.kept);
        throw error;
      }
    },
    giveBack(paid, background) {
      if (givenBack.has(paid.challengeId)) return;
      if (givenBack.size >= MOST_REMEMBERED) givenBack.delete(givenBack.keys().next().value!);
      givenBack.add(paid.challengeId);
      const place = placeOfChallenge(paid.challengeId) ?? placeOf(paid.client);
      const waitingHere = waiting[place]!.paid;
      waitingHere.push(paid);
      // Of more, the oldest counts until its invoice expires.
      if (waitingHere.length > MOST_UNTOLD) waitingHere.shift();
      if (waitingHere.length === MOST_WAITING) background(tell(place).catch(() => undefined));
      else tellSoon(place, background);
    },
    keep({ client, lane, offer, item }) {
      const { kept } = waiting[placeOf(client)]!;
      kept.push({ client, lane, offer, item });
      if (kept.length > MOST_KEPT) kept.shift();
    },
    async stock({ place, ...offer }, items) {
      await stubFor(place).stock(share(offer), items);
    },
    async want(place, offers) {
      return stubFor(place).want(offers.map(share));
    },
  };
}

/** The object that counts a client. A network and all its clients are in one. */
export function nameQuotaObject(client: ClientKey): string {
  return nameObject(placeOf(client));
}

function placeOf({ key, group }: ClientKey): number {
  return hashText(group ?? key) % QUOTA_SHARDS;
}

/** An object's share of what all clients get together: rounded down, so that the shares never come to more; at least one. */
export function shareBounds({ requests, free, challenges }: QuotaBounds): QuotaBounds {
  return {
    ...(requests === undefined ? {} : { requests: { ...requests, limit: shareOf(requests.limit) } }),
    ...(free === undefined ? {} : { free: { ...free, calls: shareOf(free.calls) } }),
    challenges: { perMinute: shareOf(challenges.perMinute), open: shareOf(challenges.open) },
  };
}

function sharePool({ low, high, minLifeMs }: PoolBounds): PoolBounds {
  return { low: shareOf(low), high: shareOf(high), minLifeMs };
}

function shareOf(total: number): number {
  return Math.max(1, Math.floor(total / QUOTA_SHARDS));
}

function nameObject(place: number): string {
  return `quota/1/${place}`;
}

/** A challenge begins with the place where it is counted: whoever pays it may come from anywhere. */
function placeOfChallenge(challengeId: string): number | undefined {
  return /^[0-9a-f]{16}$/.test(challengeId) ? Number.parseInt(challengeId.slice(0, 2), 16) % QUOTA_SHARDS : undefined;
}

/** FNV-1a. Who picks addresses so that they meet in one object gains nothing: each object gives its share and no more. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
