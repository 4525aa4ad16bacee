/*
 * Where the open uses of a payment are written. The payment's row has room for sixteen, which is all that most payments ever
 * have; what is more goes to pages of sixteen. A page is written once and deleted when none of its uses is open any more:
 * which of them are not is marked in the payment's row. So a reservation rewrites a bounded row however many uses are open.
 * Pure.
 */
import { type OpenUse } from './claim-rules.ts';

/** Uses in a payment's row: 4 KB of it when each draws on four counters. */
export const MOST_USES_IN_ROW = 16;
/** As many as there are bits in a mark. */
export const USES_A_PAGE = 16;
/** Twice as many as the open uses of a payment fill. With more, two of them have room in one. */
export const MOST_PAGES = 128;

export interface UsePage {
  readonly number: number;
  readonly uses: readonly OpenUse[];
  /** A bit for each use that is open no longer. */
  readonly closed: number;
  /** When the page may be forgotten; 0 as long as it is not on disk. */
  readonly endsAtSeconds: number;
}

export interface UseLayout {
  readonly inRow: readonly OpenUse[];
  /** By their numbers. */
  readonly pages: readonly UsePage[];
  /** Pages that are needed no longer. */
  readonly dropped: readonly number[];
}

const NO_PAGES: readonly number[] = [];

/** What a payment's row and pages hold when these uses are open. */
export function layOutUses(open: readonly OpenUse[], pages: readonly UsePage[]): UseLayout {
  if (pages.length === 0 && open.length <= MOST_USES_IN_ROW) return { inRow: open, pages, dropped: NO_PAGES };
  const openNumbers = new Set(open.map(({ number }) => number));
  const paged = new Set<number>();
  const dropped: number[] = [];
  const kept: UsePage[] = [];
  for (const page of pages) {
    let closed = 0;
    for (const [index, { number }] of page.uses.entries()) {
      if (openNumbers.has(number)) paged.add(number);
      else closed |= 1 << index;
    }
    if (closed === (1 << page.uses.length) - 1) dropped.push(page.number);
    else kept.push(closed === page.closed ? page : { ...page, closed });
  }
  let inRow = open.filter(({ number }) => !paged.has(number));
  let next = (pages.at(-1)?.number ?? -1) + 1;
  while (inRow.length > MOST_USES_IN_ROW) {
    kept.push({ number: next++, uses: inRow.slice(0, USES_A_PAGE), closed: 0, endsAtSeconds: 0 });
    inRow = inRow.slice(USES_A_PAGE);
  }
  while (kept.length > MOST_PAGES) {
    const [one, other] = kept.toSorted((left, right) => openUsesOf(left).length - openUsesOf(right).length) as [UsePage, UsePage];
    const uses = [...openUsesOf(one), ...openUsesOf(other)];
    if (uses.length > USES_A_PAGE) break;
    for (const page of [one, other]) {
      kept.splice(kept.indexOf(page), 1);
      if (page.endsAtSeconds > 0) dropped.push(page.number);
    }
    kept.push({ number: next++, uses, closed: 0, endsAtSeconds: 0 });
  }
  return { inRow, pages: kept, dropped };
}

/** The uses of a page that are open. */
export function openUsesOf({ uses, closed }: UsePage): readonly OpenUse[] {
  return closed === 0 ? uses : uses.filter((_, index) => (closed & (1 << index)) === 0);
}
