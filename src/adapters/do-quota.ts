/*
 * The quota port over Durable Objects: clients spread over a fixed number of objects, one call for each ask. Challenges that
 * were paid ride along with the next ask of the same object, so a paid call costs no call of its own here.
 */
import { type Quota as QuotaObject } from '#durable-objects/quota.ts';
import { type ClientKey, type PaidChallenge, type QuotaBounds } from '#durable-objects/quota-rules.ts';
import { type Quota } from '../ports.ts';

/** Objects that share all clients. Another number is another set of objects, and everyone starts anew. */
export const QUOTA_SHARDS = 16;
/** Paid challenges that wait for an ask of their object; more are sent on their own. */
const MOST_WAITING = 64;
/** Challenges that this isolate has given back: a token for many calls is given back once. */
const MOST_REMEMBERED = 1024;

/** Quotas in the objects of a namespace. */
export function createDurableQuota(namespace: DurableObjectNamespace<QuotaObject>): Quota {
  const waiting = new Map<string, PaidChallenge[]>();
  const givenBack = new Set<string>();
  const stubFor = (objectName: string) => namespace.get(namespace.idFromName(objectName));
  const takeWaiting = (objectName: string): readonly PaidChallenge[] => {
    const paid = waiting.get(objectName) ?? [];
    waiting.delete(objectName);
    return paid;
  };
  return {
    async ask({ client, ask, bounds, totals }) {
      const objectName = nameQuotaObject(client);
      // Lost when the call fails: then the challenge counts until its invoice expires.
      const paid = takeWaiting(objectName);
      return stubFor(objectName).ask({ client, ask, bounds, totals: shareBounds(totals), paid });
    },
    giveBack(paid, background) {
      if (givenBack.has(paid.challengeId)) return;
      if (givenBack.size >= MOST_REMEMBERED) givenBack.delete(givenBack.keys().next().value!);
      givenBack.add(paid.challengeId);
      const objectName = nameQuotaObject(paid.client);
      const others = waiting.get(objectName) ?? [];
      waiting.set(objectName, [...others, paid]);
      if (others.length + 1 < MOST_WAITING) return;
      background(stubFor(objectName).giveBack(takeWaiting(objectName)));
    },
  };
}

/** The object that counts a client. A network and all its clients are in one. */
export function nameQuotaObject({ key, group }: ClientKey): string {
  return `quota/1/${hashText(group ?? key) % QUOTA_SHARDS}`;
}

/** An object's share of what all clients get together: rounded down, so that the shares never come to more; at least one. */
export function shareBounds({ requests, free, challenges }: QuotaBounds): QuotaBounds {
  const share = (total: number) => Math.max(1, Math.floor(total / QUOTA_SHARDS));
  return {
    ...(requests === undefined ? {} : { requests: { ...requests, limit: share(requests.limit) } }),
    ...(free === undefined ? {} : { free: { ...free, calls: share(free.calls) } }),
    challenges: { perMinute: share(challenges.perMinute), open: share(challenges.open) },
  };
}

/** FNV-1a. Who picks addresses so that they meet in one object gains nothing: each object gives its share and no more. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
