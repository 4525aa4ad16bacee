/*
 * The quota port over Durable Objects: clients are spread over a fixed number of objects, with one call per ask. Paid
 * challenges, and challenges that were made for an ask, are sent along with the next ask of the same object, so they cost no
 * extra call. Paid challenges are reported within a second in any case, so that they are not issued again (M18). Effects:
 * object calls, a timer.
 */
import { type Quota as QuotaObject, type StockedOffer } from '#durable-objects/quota.ts';
import { REGION_UNKNOWN } from '#protocol/region.ts';
import { type PoolBounds } from '#durable-objects/pool-rules.ts';
import { type ClientKey, type QuotaBounds } from '#durable-objects/quota-rules.ts';
import { type Background, type Clock, type Quota, type Wait } from '../ports.ts';
import { placedIn } from './object-places.ts';
import { createQuotaOutbox } from './quota-outbox.ts';

/** The number of objects that share all clients. Another number gives other objects, and all counts restart. */
export const QUOTA_SHARDS = 16;
/** Most paid challenges that wait for an ask of their object; beyond this they are sent separately. */
const MOST_WAITING = 64;
/** Most challenges that this isolate remembers as given back: a token for many calls is given back once. */
const MOST_REMEMBERED = 1024;
const TELL_MS = 1000;

/** A report that takes longer was cut off together with the request that started it. */
const LONGEST_TELL_MS = 5000;

export interface DurableQuotaOptions {
  /** `undefined`: paid challenges wait for the next ask, however long. */
  readonly time?: { readonly clock: Clock; readonly wait: Wait };
}

/** Creates the quota port for the objects of a namespace. */
export function createDurableQuota(namespace: DurableObjectNamespace<QuotaObject>, { time }: DurableQuotaOptions = {}): Quota {
  const outboxes = Array.from({ length: QUOTA_SHARDS }, createQuotaOutbox);
  const givenBack = new Set<string>();
  const stubFor = (shard: number, region = REGION_UNKNOWN) => namespace.get(namespace.idFromName(nameObject(shard)), placedIn(region));
  /** Reports paid challenges. They are removed once the object has confirmed them; reporting twice changes nothing. */
  const tell = async (shard: number): Promise<void> => {
    const told = outboxes[shard]!.listPaid();
    if (told.length === 0) return;
    await stubFor(shard).giveBack(told);
    outboxes[shard]!.dropPaid(told);
  };
  const tellSoon = time === undefined ? () => undefined : tellOnceSoon(tell, time);
  const share = (offer: { readonly key: string; readonly bounds: PoolBounds }): StockedOffer => ({
    ...offer,
    bounds: sharePool(offer.bounds),
  });
  return {
    shardOf,
    async ask({ client, trafficClass, ask, bounds, totals, region }) {
      const shard = shardOf(client);
      const outbox = outboxes[shard]!;
      const { offer } = ask;
      const shared = offer?.pool === undefined ? ask : { ...ask, offer: { ...offer, pool: sharePool(offer.pool) } };
      const totalsHere = shareBounds(totals);
      const news = outbox.take();
      try {
        return await stubFor(shard, region).ask({ client, trafficClass, ask: shared, bounds, totals: totalsHere, ...news });
      } catch (error) {
        outbox.putBack(news);
        throw error;
      }
    },
    giveBack(paid, background) {
      if (givenBack.has(paid.challengeId)) return;
      if (givenBack.size >= MOST_REMEMBERED) givenBack.delete(givenBack.keys().next().value!);
      givenBack.add(paid.challengeId);
      const shard = shardOfChallenge(paid.challengeId) ?? shardOf(paid.client);
      if (outboxes[shard]!.addPaid(paid) === MOST_WAITING) background(tell(shard).catch(() => undefined));
      else tellSoon(shard, background);
    },
    keep({ client, trafficClass, offer, item }) {
      outboxes[shardOf(client)]!.addKept({ client, trafficClass, offer, item });
    },
    async stock({ shard, ...offer }, items) {
      await stubFor(shard).stock(share(offer), items);
    },
    async want(shard, offers) {
      return stubFor(shard).want(offers.map(share));
    },
  };
}

/** Returns a function that calls `tell` a moment later, once for all that is asked of a shard until then. */
function tellOnceSoon(tell: (shard: number) => Promise<void>, { clock, wait }: NonNullable<DurableQuotaOptions['time']>) {
  const tellingSinceMs = new Map<number, number>();
  return (shard: number, background: Background): void => {
    const nowMs = clock();
    const sinceMs = tellingSinceMs.get(shard);
    if (sinceMs !== undefined && Math.abs(nowMs - sinceMs) < LONGEST_TELL_MS) return;
    tellingSinceMs.set(shard, nowMs);
    const done = () => {
      if (tellingSinceMs.get(shard) === nowMs) tellingSinceMs.delete(shard);
    };
    const told = wait(TELL_MS)
      .then(() => tell(shard))
      .finally(done);
    // On failure they are sent with the next ask or report.
    background(told.catch(() => undefined));
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
