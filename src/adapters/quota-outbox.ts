/*
 * What waits for the next ask of one quota object: challenges that were paid, and challenges that were made. Pure, except for
 * the lists that it keeps.
 */
import { type QuotaRequest } from '#durable-objects/quota.ts';

/** Most paid challenges that wait, while the object cannot be reached. */
const MOST_PAID = 256;
/** Most made challenges that wait; beyond this the oldest cannot be issued again. */
const MOST_KEPT = 64;

/** What an ask brings along. */
export type QuotaNews = Pick<QuotaRequest, 'paid' | 'kept'>;
type Paid = QuotaNews['paid'][number];
type Kept = QuotaNews['kept'][number];

export interface QuotaOutbox {
  /** Adds a paid challenge; returns how many of them wait. */
  addPaid(challenge: Paid): number;
  addKept(challenge: Kept): void;
  /** Lists the paid challenges that wait; they stay. */
  listPaid(): readonly Paid[];
  dropPaid(told: readonly Paid[]): void;
  /** Takes everything out. */
  take(): QuotaNews;
  /** Puts back what could not be delivered. */
  putBack(news: QuotaNews): void;
}

/** Creates an empty outbox. */
export function createQuotaOutbox(): QuotaOutbox {
  const paid: Paid[] = [];
  const kept: Kept[] = [];
  return {
    addPaid(challenge) {
      paid.push(challenge);
      // Drops the oldest, which counts until its invoice expires.
      if (paid.length > MOST_PAID) paid.shift();
      return paid.length;
    },
    addKept(challenge) {
      kept.push(challenge);
      if (kept.length > MOST_KEPT) kept.shift();
    },
    listPaid: () => [...paid],
    dropPaid(told) {
      const isTold = new Set(told);
      paid.splice(0, Infinity, ...paid.filter((challenge) => !isTold.has(challenge)));
    },
    take: () => ({ paid: paid.splice(0), kept: kept.splice(0) }),
    putBack(news) {
      paid.unshift(...news.paid);
      kept.unshift(...news.kept);
    },
  };
}
