/*
 * The demand for one offer, in memory and on disk, and the lease of the caller that makes its next challenges. The rules are
 * in pool-rules.ts. Effects: the rows (pool-rows.ts).
 */
import { type PoolRows } from './pool-rows.ts';
import { fadeDemand, NO_DEMAND, noteDemand, REFILL_LEASE_MS, WARM_COUNT, wantItems, type Demand, type PoolBounds } from './pool-rules.ts';

export interface OfferDemand {
  /** Takes over the demand that is on disk. */
  restore(demand: Demand): void;
  /** Counts an ask. */
  note(nowMs: number): void;
  /** Returns how many challenges to make, at most `room`. Until the lease ends, nobody else is asked to make any. */
  want(stock: { readonly size: number; readonly room: number }, bounds: PoolBounds, nowMs: number): number;
  endLease(): void;
  isCold(nowMs: number): boolean;
  /** Writes the demand to disk, if it has changed and is worth it. */
  write(): void;
  /** Deletes the demand from disk. */
  drop(): void;
}

/** Opens the demand for an offer that nobody has asked for. */
export function openDemand(offer: string, rows: PoolRows): OfferDemand {
  let demand = NO_DEMAND;
  /** The instant of the demand that is on disk; 0: none is. */
  let writtenAtMs = 0;
  let leaseEndsAtMs = 0;
  return {
    restore(written) {
      demand = written;
      writtenAtMs = written.atMs;
    },
    note(nowMs) {
      demand = noteDemand(demand, nowMs);
    },
    want({ size, room }, bounds, nowMs) {
      const count = Math.min(wantItems({ size, demand, leaseEndsAtMs }, bounds, nowMs), room);
      if (count <= 0) return 0;
      leaseEndsAtMs = nowMs + REFILL_LEASE_MS;
      return count;
    },
    endLease() {
      leaseEndsAtMs = 0;
    },
    isCold: (nowMs) => fadeDemand(demand, nowMs) < WARM_COUNT,
    write() {
      if (demand.atMs === writtenAtMs || demand.count < WARM_COUNT) return;
      rows.writeDemand(offer, demand);
      writtenAtMs = demand.atMs;
    },
    drop() {
      if (writtenAtMs > 0) rows.dropDemand(offer);
    },
  };
}
