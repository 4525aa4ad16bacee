/*
 * The quota port over Durable Objects: clients spread over a fixed number of objects, one call for each ask. Challenges that
 * were paid, and those that were made for an ask, ride along with the next ask of the same object, so that neither costs a
 * call of its own; what was paid is told within a second all the same, so that nobody is offered it again (M18).
 */
import { type KeptChallenge, type Quota as QuotaObject, type StockedOffer } from '#durable-objects/quota.ts';
import { type PoolBounds } from '#durable-objects/pool-rules.ts';
import { type ClientKey, type PaidChallenge, type QuotaBounds } from '#durable-objects/quota-rules.ts';
import { type Background, type Quota, type QuotaLane, type Wait } from '../ports.ts';

/** Objects that share all clients. Another number is another set of objects, and everyone starts anew. */
export const QUOTA_SHARDS = 16;
/** Paid challenges that wait for an ask of their object; more are sent on their own. */
const MOST_WAITING = 64;
/** Made challenges that wait likewise; of more, the oldest cannot be given again. */
const MOST_KEPT = 64;
/** Challenges that this isolate has given back: a token for many calls is given back once. */
const MOST_REMEMBERED = 1024;
const TELL_MS = 1000;

export interface DurableQuotaOptions {
  /** Nothing: what was paid waits for the next ask, however long. */
  readonly wait?: Wait;
}

interface Waiting {
  readonly paid: PaidChallenge[];
  readonly kept: (KeptChallenge & { readonly lane: QuotaLane })[];
}

/** Quotas in the objects of a namespace. */
export function createDurableQuota(namespace: DurableObjectNamespace<QuotaObject>, { wait }: DurableQuotaOptions = {}): Quota {
  const waiting = Array.from({ length: QUOTA_SHARDS }, (): Waiting => ({ paid: [], kept: [] }));
  const isTelling = new Set<number>();
  const givenBack = new Set<string>();
  const stubFor = (place: number) => namespace.get(namespace.idFromName(nameObject(place)));
  const tell = async (place: number): Promise<void> => {
    const paid = waiting[place]!.paid.splice(0);
    if (paid.length > 0) await stubFor(place).giveBack(paid);
  };
  const tellSoon = (place: number, background: Background) => {
    if (wait === undefined || isTelling.has(place)) return;
    isTelling.add(place);
    const told = wait(TELL_MS).then(() => {
      isTelling.delete(place);
      return tell(place);
    });
    // Lost when it fails: then the challenge counts until its invoice expires.
    background(told.catch(() => undefined));
  };
  const share = (offer: { readonly key: string; readonly bounds: PoolBounds }): StockedOffer => ({
    ...offer,
    bounds: sharePool(offer.bounds),
  });
  return {
    places: QUOTA_SHARDS,
    placeOf,
    async ask({ client, lane, ask, bounds, totals }) {
      const place = placeOf(client);
      const { paid, kept } = waiting[place]!;
      const { offer } = ask;
      const shared = offer?.pool === undefined ? ask : { ...ask, offer: { ...offer, pool: sharePool(offer.pool) } };
      const totalsHere = shareBounds(totals);
      return stubFor(place).ask({ client, lane, ask: shared, bounds, totals: totalsHere, paid: paid.splice(0), kept: kept.splice(0) });
    },
    giveBack(paid, background) {
      if (givenBack.has(paid.challengeId)) return;
      if (givenBack.size >= MOST_REMEMBERED) givenBack.delete(givenBack.keys().next().value!);
      givenBack.add(paid.challengeId);
      const place = placeOfChallenge(paid.challengeId) ?? placeOf(paid.client);
      const { length } = waiting[place]!.paid;
      waiting[place]!.paid.push(paid);
      if (length + 1 >= MOST_WAITING) background(tell(place));
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
