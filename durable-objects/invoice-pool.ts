/*
 * The invoice pool on disk. Challenges are stored in blocks, as they were delivered. A block is deleted from disk before the
 * first of its challenges is issued, and the platform holds that answer until the deletion is durable. So a challenge is
 * issued at most once whatever crashes (M23), and issuing costs one write per block. An idle object writes the rest of its
 * block and the demand back to disk before it is put to sleep; a crash loses at most one block per offer, none of which
 * anyone has seen. Effects: the given storage, one timer.
 */
import {
  fadeDemand,
  hasLife,
  isOfNode,
  MOST_ITEMS_AT_ONCE,
  NO_DEMAND,
  noteDemand,
  REFILL_LEASE_MS,
  WARM_COUNT,
  wantItems,
  type Demand,
  type KnownNode,
  type PoolBounds,
  type ReadyChallenge,
} from './pool-rules.ts';

export interface InvoicePool {
  /** Counts an ask; returns a challenge if there is one, and how many more the caller should make. */
  take(
    offer: string,
    terms: PoolBounds & { readonly node: KnownNode | undefined },
    nowMs: number,
  ): { readonly item: ReadyChallenge | undefined; readonly refill: number };
  /** Returns how many challenges the caller should make, without counting an ask. */
  want(offer: string, bounds: PoolBounds, nowMs: number): number;
  /** Adds challenges to the pool. Those that do not fit are dropped: nobody has seen them. */
  stock(offer: string, items: readonly ReadyChallenge[], bounds: PoolBounds): void;
  /** Drops challenges that can no longer be paid. */
  prune(nowMs: number): void;
  readonly size: number;
}

/** Most offers of one object: routes with a fixed price. */
export const MOST_OFFERS = 256;
/** Most challenges of all offers of one object: some 30 MB of disk. */
export const MOST_ITEMS = 20_000;
const IDLE_MS = 1000;

interface Block {
  readonly id: number;
  readonly count: number;
  readonly endsAtMs: number;
}

interface Shelf {
  /** On disk, oldest first. */
  blocks: Block[];
  /** Already off the disk; the next one to issue is last. */
  hand: ReadyChallenge[];
  size: number;
  demand: Demand;
  /** The instant of the demand that is on disk. */
  writtenAtMs: number;
  leaseEndsAtMs: number;
}

/** Opens the pool of an object from its disk. */
export function openInvoicePool(storage: DurableObjectStorage): InvoicePool {
  const { sql } = storage;
  sql.exec(
    'CREATE TABLE IF NOT EXISTS pool_v1 (id INTEGER PRIMARY KEY, offer TEXT NOT NULL, ends_at_ms INTEGER NOT NULL, count INTEGER NOT NULL, items TEXT NOT NULL)',
  );
  sql.exec('CREATE TABLE IF NOT EXISTS demand_v1 (offer TEXT PRIMARY KEY, count REAL NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID');
  const shelves = new Map<string, Shelf>();
  let size = 0;
  let isReturnPlanned = false;
  let wasAsked = false;

  const findShelf = (offer: string): Shelf | undefined => {
    const known = shelves.get(offer);
    if (known !== undefined) {
      // Moves it to the end: the least recently used shelf is forgotten first.
      shelves.delete(offer);
      shelves.set(offer, known);
      return known;
    }
    if (shelves.size >= MOST_OFFERS) {
      const idle = [...shelves].find(([, shelf]) => shelf.size === 0)?.[0];
      if (idle === undefined) return undefined;
      shelves.delete(idle);
    }
    const shelf: Shelf = { blocks: [], hand: [], size: 0, demand: NO_DEMAND, writtenAtMs: 0, leaseEndsAtMs: 0 };
    shelves.set(offer, shelf);
    return shelf;
  };
  const change = (shelf: Shelf, by: number) => {
    shelf.size += by;
    size += by;
  };
  const drop = (shelf: Shelf, { id, count }: Block) => {
    sql.exec('DELETE FROM pool_v1 WHERE id = ?', id);
    change(shelf, -count);
  };
  const write = (offer: string, items: readonly ReadyChallenge[]): Block => {
    const endsAtMs = Math.max(...items.map((item) => item.endsAtMs));
    const insert = 'INSERT INTO pool_v1 (offer, ends_at_ms, count, items) VALUES (?, ?, ?, ?) RETURNING id';
    const { id } = sql.exec<{ id: number }>(insert, offer, endsAtMs, items.length, JSON.stringify(items)).one();
    return { id, count: items.length, endsAtMs };
  };
  for (const { id, offer, count, ends_at_ms: endsAtMs } of sql.exec<{ id: number; offer: string; count: number; ends_at_ms: number }>(
    'SELECT id, offer, count, ends_at_ms FROM pool_v1 ORDER BY ends_at_ms',
  )) {
    const shelf = findShelf(offer);
    shelf?.blocks.push({ id, count, endsAtMs });
    if (shelf !== undefined) change(shelf, count);
  }

  for (const { offer, count, at_ms: atMs } of sql.exec<{ offer: string; count: number; at_ms: number }>('SELECT * FROM demand_v1')) {
    const shelf = findShelf(offer);
    if (shelf !== undefined) Object.assign(shelf, { demand: { count, atMs }, writtenAtMs: atMs });
  }

  const returnWhenIdle = () => {
    wasAsked = true;
    if (isReturnPlanned) return;
    isReturnPlanned = true;
    wasAsked = false;
    setTimeout(() => {
      isReturnPlanned = false;
      // A busy object keeps its block in memory.
      if (wasAsked) {
        returnWhenIdle();
        return;
      }
      for (const [offer, shelf] of shelves) returnToDisk(offer, shelf);
      // Keeps the object awake until the write is done.
      void storage.sync();
    }, IDLE_MS);
  };
  const returnToDisk = (offer: string, shelf: Shelf) => {
    const { demand, hand } = shelf;
    if (hand.length > 0) shelf.blocks.unshift(write(offer, hand.toReversed()));
    shelf.hand = [];
    if (demand.atMs === shelf.writtenAtMs || demand.count < WARM_COUNT) return;
    sql.exec('INSERT OR REPLACE INTO demand_v1 VALUES (?, ?, ?)', offer, demand.count, demand.atMs);
    shelf.writtenAtMs = demand.atMs;
  };

  const takeItem = (shelf: Shelf, bounds: Parameters<InvoicePool['take']>[1], nowMs: number): ReadyChallenge | undefined => {
    for (;;) {
      const item = shelf.hand.pop();
      if (item === undefined) {
        const block = shelf.blocks.shift();
        if (block === undefined) return undefined;
        const rows = hasLife(block, bounds, nowMs)
          ? [...sql.exec<{ items: string }>('SELECT items FROM pool_v1 WHERE id = ?', block.id)]
          : [];
        drop(shelf, block);
        shelf.hand = rows.flatMap(({ items }) => JSON.parse(items) as ReadyChallenge[]).toReversed();
        change(shelf, shelf.hand.length);
        continue;
      }
      change(shelf, -1);
      // Made by another node: dropped, nobody has seen it (M44).
      if (hasLife(item, bounds, nowMs) && isOfNode(item, bounds.node)) return item;
    }
  };

  const wanted = (shelf: Shelf, bounds: PoolBounds, nowMs: number): number => {
    const count = Math.min(wantItems(shelf, bounds, nowMs), MOST_ITEMS - size);
    if (count <= 0) return 0;
    shelf.leaseEndsAtMs = nowMs + REFILL_LEASE_MS;
    return count;
  };

  return {
    take(offer, bounds, nowMs) {
      const shelf = findShelf(offer);
      if (shelf === undefined) return { item: undefined, refill: 0 };
      shelf.demand = noteDemand(shelf.demand, nowMs);
      returnWhenIdle();
      const item = takeItem(shelf, bounds, nowMs);
      return { item, refill: wanted(shelf, bounds, nowMs) };
    },
    want(offer, bounds, nowMs) {
      const shelf = shelves.get(offer);
      return shelf === undefined ? 0 : wanted(shelf, bounds, nowMs);
    },
    stock(offer, items, { high }) {
      const shelf = findShelf(offer);
      if (shelf === undefined) return;
      shelf.leaseEndsAtMs = 0;
      const room = Math.min(MOST_ITEMS_AT_ONCE, high - shelf.size, MOST_ITEMS - size);
      if (items.length === 0 || room <= 0) return;
      const block = write(offer, items.slice(0, room));
      shelf.blocks.push(block);
      change(shelf, block.count);
    },
    prune(nowMs) {
      sql.exec('DELETE FROM pool_v1 WHERE ends_at_ms <= ?', nowMs);
      for (const [offer, shelf] of shelves) {
        for (const block of shelf.blocks) if (block.endsAtMs <= nowMs) change(shelf, -block.count);
        shelf.blocks = shelf.blocks.filter(({ endsAtMs }) => endsAtMs > nowMs);
        if (shelf.size > 0 || fadeDemand(shelf.demand, nowMs) >= WARM_COUNT) continue;
        shelves.delete(offer);
        if (shelf.writtenAtMs > 0) sql.exec('DELETE FROM demand_v1 WHERE offer = ?', offer);
      }
    },
    get size() {
      return size;
    },
  };
}
