/*
 * The invoice pool on disk. Challenges are stored in blocks, as they were delivered. A block is deleted from disk before the
 * first of its challenges is issued, and the platform holds that answer until the deletion is durable. So a challenge is
 * issued at most once whatever crashes (M23), and issuing costs one write per block. An idle object writes the rest of its
 * block and the demand back to disk before it is put to sleep; a crash loses at most one block per offer, none of which
 * anyone has seen. Effects: the given storage, one timer.
 */
import { openDemand, type OfferDemand } from './pool-demand.ts';
import { openPoolRows } from './pool-rows.ts';
import { MOST_ITEMS_AT_ONCE, type PoolBounds, type ReadyChallenge } from './pool-rules.ts';
import { openShelf, type IssueTerms, type Shelf } from './pool-shelf.ts';

export interface InvoicePool {
  /** Counts an ask; returns a challenge if there is one, and how many more the caller should make. */
  take(
    offer: string,
    terms: PoolBounds & IssueTerms,
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

/** What the pool has of an offer, and the demand for it. */
interface PooledOffer {
  readonly shelf: Shelf;
  readonly demand: OfferDemand;
}

/** Opens the pool of an object from its disk. */
export function openInvoicePool(storage: DurableObjectStorage): InvoicePool {
  const rows = openPoolRows(storage.sql);
  const offers = new Map<string, PooledOffer>();
  const room = { left: MOST_ITEMS };

  /** `undefined`: the object has challenges of too many other offers. */
  const findOffer = (name: string): PooledOffer | undefined => {
    if (!offers.has(name) && !makeRoom(offers)) return undefined;
    const offer = offers.get(name) ?? { shelf: openShelf(name, { rows, room }), demand: openDemand(name, rows) };
    // Moves it to the end: the least recently used offer is forgotten first.
    offers.delete(name);
    offers.set(name, offer);
    return offer;
  };
  for (const { offer, block } of rows.listBlocks()) findOffer(offer)?.shelf.restore(block);
  for (const { offer, demand } of rows.listDemands()) findOffer(offer)?.demand.restore(demand);

  const noteUse = runWhenIdle(() => {
    for (const { shelf, demand } of offers.values()) {
      shelf.returnToDisk();
      demand.write();
    }
    // Keeps the object awake until the write is done.
    void storage.sync();
  });
  const wantOf = ({ shelf, demand }: PooledOffer, bounds: PoolBounds, nowMs: number): number =>
    demand.want({ size: shelf.size, room: room.left }, bounds, nowMs);

  return {
    take(name, terms, nowMs) {
      const offer = findOffer(name);
      if (offer === undefined) return { item: undefined, refill: 0 };
      offer.demand.note(nowMs);
      noteUse();
      const item = offer.shelf.take(terms, nowMs);
      return { item, refill: wantOf(offer, terms, nowMs) };
    },
    want(name, bounds, nowMs) {
      const offer = offers.get(name);
      return offer === undefined ? 0 : wantOf(offer, bounds, nowMs);
    },
    stock(name, items, { high }) {
      const offer = findOffer(name);
      if (offer === undefined) return;
      offer.demand.endLease();
      const most = Math.min(MOST_ITEMS_AT_ONCE, high - offer.shelf.size, room.left);
      if (items.length > 0 && most > 0) offer.shelf.add(items.slice(0, most));
    },
    prune(nowMs) {
      rows.dropEndedBlocks(nowMs);
      for (const [name, { shelf, demand }] of offers) {
        shelf.forgetEnded(nowMs);
        if (shelf.size > 0 || !demand.isCold(nowMs)) continue;
        offers.delete(name);
        demand.drop();
      }
    },
    get size() {
      return MOST_ITEMS - room.left;
    },
  };
}

/** Makes room for one more offer; forgets the least recently used one without challenges. False: each of them has some. */
function makeRoom(offers: Map<string, PooledOffer>): boolean {
  if (offers.size < MOST_OFFERS) return true;
  const idle = [...offers].find(([, { shelf }]) => shelf.size === 0)?.[0];
  return idle !== undefined && offers.delete(idle);
}

/** Returns a function that notes a use. `task` runs once there was none for a while: a busy object keeps its blocks in memory. */
function runWhenIdle(task: () => void): () => void {
  let isPlanned = false;
  let wasUsed = false;
  const noteUse = () => {
    wasUsed = true;
    if (isPlanned) return;
    isPlanned = true;
    wasUsed = false;
    setTimeout(() => {
      isPlanned = false;
      if (wasUsed) noteUse();
      else task();
    }, IDLE_MS);
  };
  return noteUse;
}
