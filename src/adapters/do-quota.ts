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
import { type Background, type Clock, type Quota, type QuotaClass, type Wait } from '../ports.ts';

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
  readonly kept: (KeptChallenge & { readonly trafficClass: QuotaClass })[];
}

/** Quotas in the objects of a namespace. */
export function createDurableQuota(namespace: DurableObjectNamespace<QuotaObject>, { time }: DurableQuotaOptions = {}): Quota {
  const waiting = Array.from({ length: QUOTA_SHARDS }, (): Waiting => ({ paid: [], kept: [] }));
  const tellingSinceMs = new Map<number, number>();
  const givenBack = new Set<string>();
  const stubFor = (shard: number, region = REGION_UNKNOWN) => namespace.get(namespace.idFromName(nameObject(shard)), placedIn(region));
  /** What was told is forgotten once the object has said so: saying it twice changes nothing. */
  const tell = async (shard: number): Promise<void> => {
    const { paid } = waiting[shard]!;
    const told = [...paid];
    if (told.length === 0) return;
    await stubFor(shard).giveBack(told);
    const isTold = new Set(told);
    waiting[shard]!.paid.splice(0, Infinity, ...paid.filter((challenge) => !isTold.has(challenge)));
  };
  const tellSoon = (shard: number, background: Background) => {
    if (time === undefined) return;
    const nowMs = time.clock();
    const sinceMs = tellingSinceMs.get(shard);
    if (sinceMs !== undefined && Math.abs(nowMs - sinceMs) < LONGEST_TELL_MS) return;
    tellingSinceMs.set(shard, nowMs);
    const done = () => {
      if (tellingSinceMs.get(shard) === nowMs) tellingSinceMs.delete(shard);
    };
    const told = time
      .wait(TELL_MS)
      .then(() => tell(shard))
      .finally(done);
    // Told with the next ask, or the next report, when it fails.
    background(told.catch(() => undefined));
  };
  const share = (offer: { readonly key: string; readonly bounds: PoolBounds }): StockedOffer => ({
    ...offer,
    bounds: sharePool(offer.bounds),
  });
  return {
    shardOf,
    async ask({ client, trafficClass, ask, bounds, totals, region }) {
      const shard = shardOf(client);
      const { paid, kept } = waiting[shard]!;
      const { offer } = ask;
      const shared = offer?.pool === undefined ? ask : { ...ask, offer: { ...offer, pool: sharePool(offer.pool) } };
      const totalsHere = shareBounds(totals);
      const told = { paid: paid.splice(0), kept: kept.splice(0) };
      try {
        return await stubFor(shard, region).ask({ client, trafficClass, ask: shared, bounds, totals: totalsHere, ...told });
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
      const shard = shardOfChallenge(paid.challengeId) ?? shardOf(paid.client);
      const waitingHere = waiting[shard]!.paid;
      waitingHere.push(paid);
      // Of more, the oldest counts until its invoice expires.
      if (waitingHere.length > MOST_UNTOLD) waitingHere.shift();
      if (waitingHere.length === MOST_WAITING) background(tell(shard).catch(() => undefined));
      else tellSoon(shard, background);
    },
    keep({ client, trafficClass, offer, item }) {
      const { kept } = waiting[shardOf(client)]!;
      kept.push({ client, trafficClass, offer, item });
      if (kept.length > MOST_KEPT) kept.shift();
    },
    async stock({ shard, ...offer }, items) {
      await stubFor(shard).stock(share(offer), items);
    },
    async want(shard, offers) {
      return stubFor(shard).want(offers.map(share));
    },
  };
}

/** The object that counts a client. A network and all its clients are in one. */
export function nameQuotaObject(client: ClientKey): string {
  return nameObject(shardOf(client));
}

function shardOf({ key, group }: ClientKey): number {
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

function nameObject(shard: number): string {
  return `quota/1/${shard}`;
}

/** A challenge begins with the place where it is counted: whoever pays it may come from anywhere. */
function shardOfChallenge(challengeId: string): number | undefined {
  return /^[0-9a-f]{16}$/.test(challengeId) ? Number.parseInt(challengeId.slice(0, 2), 16) % QUOTA_SHARDS : undefined;
}

/** FNV-1a. Who picks addresses so that they meet in one object gains nothing: each object gives its share and no more. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
