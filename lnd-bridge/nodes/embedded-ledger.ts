/*
 * The embedded node's invoices, in memory. Bounded: at most `capacity` invoices (about 1 kB each); a full ledger overwrites
 * nothing. An unpaid invoice is removed 10 minutes after its end; a paid one stays for 48 hours after payment, because a
 * token lives at least a day longer than its invoice (M8) and strict settlement asks for it (M24). Effects: memory.
 */
import { type Msat } from '#protocol/msat.ts';
import { type InvoiceOrder } from '../ports.ts';

export interface LedgerEntry {
  readonly order: InvoiceOrder;
  readonly invoice: string;
  readonly paymentHashHex: string;
  readonly preimageHex: string;
  readonly expiresAtSeconds: number;
  readonly settled: { readonly index: number; readonly atSeconds: number; readonly paidMsat: Msat } | undefined;
}

export interface Ledger {
  /** `full`: the ledger is unchanged. */
  add(entry: LedgerEntry, nowSeconds: number): 'added' | 'full';
  findByHash(paymentHashHex: string): LedgerEntry | undefined;
  findByKey(idempotencyKey: string): LedgerEntry | undefined;
  /** Marks an invoice as paid, permanently. */
  settle(entry: LedgerEntry, nowSeconds: number): void;
  /** Returns the remaining payments after this index, in sequence. */
  settledAfter(index: number): readonly LedgerEntry[];
}

export const DEFAULT_LEDGER_CAPACITY = 100_000;
const KEEP_OPEN_SECONDS = 600;
const KEEP_SETTLED_SECONDS = 48 * 3600;

/** Creates a ledger; payments are numbered from `firstIndex`. */
export function createLedger({ capacity, firstIndex = 1 }: { capacity: number; firstIndex?: number }): Ledger {
  const byHash = new Map<string, LedgerEntry>();
  const hashByKey = new Map<string, string>();
  let prunedAtSeconds = 0;
  let nextIndex = firstIndex;

  function prune(nowSeconds: number): void {
    // Runs once a minute; on a full ledger at most once a second, however many orders are refused.
    const pauseSeconds = byHash.size >= capacity ? 1 : 60;
    if (Math.abs(nowSeconds - prunedAtSeconds) < pauseSeconds) return;
    prunedAtSeconds = nowSeconds;
    for (const [hash, entry] of byHash) {
      if (leavesAtSeconds(entry) > nowSeconds) continue;
      byHash.delete(hash);
      hashByKey.delete(entry.order.idempotencyKey);
    }
  }

  return {
    add(entry, nowSeconds) {
      prune(nowSeconds);
      if (byHash.size >= capacity) return 'full';
      byHash.set(entry.paymentHashHex, entry);
      hashByKey.set(entry.order.idempotencyKey, entry.paymentHashHex);
      return 'added';
    },
    findByHash: (paymentHashHex) => byHash.get(paymentHashHex),
    findByKey(idempotencyKey) {
      const hash = hashByKey.get(idempotencyKey);
      return hash === undefined ? undefined : byHash.get(hash);
    },
    settle(entry, nowSeconds) {
      const settled = { index: nextIndex++, atSeconds: nowSeconds, paidMsat: entry.order.amountMsat };
      byHash.set(entry.paymentHashHex, { ...entry, settled });
    },
    settledAfter: (index) =>
      [...byHash.values()]
        .filter(({ settled }) => settled !== undefined && settled.index > index)
        .toSorted((left, right) => left.settled!.index - right.settled!.index),
  };
}

function leavesAtSeconds({ settled, expiresAtSeconds }: LedgerEntry): number {
  return settled === undefined ? expiresAtSeconds + KEEP_OPEN_SECONDS : settled.atSeconds + KEEP_SETTLED_SECONDS;
}
