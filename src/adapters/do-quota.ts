/*
 * The quota port over Durable Objects: clients are spread over a fixed number of objects, with one call per ask. Paid
 * challenges, and challenges that were made for an ask, are sent along with the next ask of the same object, so they cost no
 * extra call. Paid challenges are reported within a second in any case, so that they are not issued again (M18). Effects:
 * object calls, a timer.
 */
import { type KeptChallenge, type Quota as QuotaObject, type StockedOffer } from '#durable-objects/quota.ts';
import { REGION_UNKNOWN } from '#protocol/region.ts';
import { type PoolBounds } from '#durable-objects/pool-rules.ts';
import { type ClientKey, type PaidChallenge, type QuotaBounds } from '#durable-objects/quota-rules.ts';
import { placedIn } from './object-places.ts';
import { type Background, type Clock, type Quota, type QuotaClass, type Wait } from '../ports.ts';

/** The number of objects that share all clients. Another number gives other objects, and all counts restart. */
export const QUOTA_SHARDS = 16;
/** Most paid challenges that wait for an ask of their object; beyond this they are sent separately. */
const MOST_WAITING = 64;
/** Most paid challenges that an isolate keeps for an unreachable object. */
const MOST_UNTOLD = 256;
/** Most made challenges that wait; beyond this the oldest cannot be issued again. */
const MOST_KEPT = 64;
/** Most challenges that this isolate remembers as given back: a token for many calls is given back once. */
const MOST_REMEMBERED = 1024;
const TELL_MS = 1000;

/** A report that takes longer was cut off together with the request that started it. */
const LONGEST_TELL_MS = 5000;

export interface DurableQuotaOptions {
  /** `undefined`: paid challenges wait for the next ask, however long. */
  readonly time?: { readonly clock: Clock; readonly wait: Wait };
}

interface Waiting {
  readonly paid: PaidChallenge[];
  readonly kept: (KeptChallenge & { readonly trafficClass: QuotaClass })[];
}

/** Creates the quota port for the objects of a namespace. */
export function createDurableQuota(namespace: DurableObjectNamespace<QuotaObject>, { time }: DurableQuotaOptions = {}): Quota {
  const waiting = Array.from({ length: QUOTA_SHARDS }, (): Waiting => ({ paid: [], kept: [] }));
  const tellingSinceMs = new Map<number, number>();
  const givenBack = new Set<string>();
  const stubFor = (shard: number, region = REGION_UNKNOWN) => namespace.get(namespace.idFromName(nameObject(shard)), placedIn(region));
  /** Reports paid challenges. They are removed once the object has confirmed them; reporting twice changes nothing. */
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
    // On failure they are sent with the next ask or report.
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
      // Drops the oldest, which counts until its invoice expires.
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

/** Returns the name of the object that counts a client. A network and all its clients share one. */
export function nameQuotaObject(client: ClientKey): string {
  return nameObject(shardOf(client));
}

function shardOf({ key, group }: ClientKey): number {
  return hashText(group ?? key) % QUOTA_SHARDS;
}

/** Returns an object's share of the totals, at least one. Rounded down, so that the shares never exceed the total. */
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

/** Returns the shard of a challenge, which is its first byte: its payer may come from any address. */
function shardOfChallenge(challengeId: string): number | undefined {
  return /^[0-9a-f]{16}$/.test(challengeId) ? Number.parseInt(challengeId.slice(0, 2), 16) % QUOTA_SHARDS : undefined;
}

/** FNV-1a. Choosing addresses that map to one object gains nothing: each object gives only its share. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
