/*
 * Where the open uses of a payment are stored. The payment's row holds eighty, or sixteen with four counters each; few
 * payments have more. The rest goes to pages. A page is written once and deleted when none of its uses is open; the payment's
 * row marks which uses are closed. So a reservation rewrites a bounded row, however many uses are open. Pure.
 */
import { type OpenUse } from './claim-rules.ts';

/** Most uses in a payment's row, plus their draws: some 5 KB of it. */
export const MOST_WEIGHT_IN_ROW = 80;
/** A mark has one bit per use; bit operations handle no more than 31. */
export const USES_A_PAGE = 30;
/** Twice as many as the open uses of a payment can fill. Beyond this, two pages always fit into one. */
export const MOST_PAGES = 128;

export interface UsePage {
  readonly number: number;
  readonly uses: readonly OpenUse[];
  /** One bit for each closed use. */
  readonly closed: number;
  /** When the page may be dropped; 0: not on disk yet. */
  readonly endsAtSeconds: number;
}

export interface UseLayout {
  readonly inRow: readonly OpenUse[];
  /** In the order of their numbers. */
  readonly pages: readonly UsePage[];
  /** Pages that are no longer needed. */
  readonly dropped: readonly number[];
}

const NO_PAGES: readonly number[] = [];

/** Returns what a payment's row and pages hold for these open uses. */
export function layOutUses(open: readonly OpenUse[], pages: readonly UsePage[]): UseLayout {
  if (pages.length === 0 && hasRoom(open)) return { inRow: open, pages, dropped: NO_PAGES };
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
  while (!hasRoom(inRow)) {
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

/** Returns the open uses of a page. */
export function openUsesOf({ uses, closed }: UsePage): readonly OpenUse[] {
  return closed === 0 ? uses : uses.filter((_, index) => (closed & (1 << index)) === 0);
}

function hasRoom(uses: readonly OpenUse[]): boolean {
  let weight = 0;
  for (const { draws } of uses) weight += 1 + draws.length;
  return weight <= MOST_WEIGHT_IN_ROW;
}
