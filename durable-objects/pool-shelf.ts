/*
 * The challenges of one offer in the pool: blocks on disk, and in memory the rest of the block that is being issued. Effects:
 * the rows (pool-rows.ts).
 */
import { type Block, type PoolRows } from './pool-rows.ts';
import { hasLife, isOfNode, type KnownNode, type PoolBounds, type ReadyChallenge } from './pool-rules.ts';

/** Which challenges may be issued now. */
export type IssueTerms = Pick<PoolBounds, 'minLifeMs'> & { readonly node: KnownNode | undefined };

export interface Shelf {
  readonly size: number;
  /** Adds a block that is on disk already. */
  restore(block: Block): void;
  /** Adds challenges as a block. */
  add(items: readonly ReadyChallenge[]): void;
  /** Returns the next challenge that may be issued. Those before it that may not are dropped. */
  take(terms: IssueTerms, nowMs: number): ReadyChallenge | undefined;
  /** Writes the challenges in memory back to disk. */
  returnToDisk(): void;
  /** Forgets blocks that have ended and are deleted from disk. */
  forgetEnded(nowMs: number): void;
}

export interface ShelfOptions {
  readonly rows: PoolRows;
  /** How many more challenges all shelves of the object may hold. */
  readonly room: { left: number };
}

/** Opens an empty shelf. */
export function openShelf(offer: string, { rows, room }: ShelfOptions): Shelf {
  /** On disk, oldest first. */
  let blocks: Block[] = [];
  /** Already off the disk; the next one to issue is last. */
  let hand: ReadyChallenge[] = [];
  let size = 0;

  const change = (by: number) => {
    size += by;
    room.left -= by;
  };
  const restore = (block: Block) => {
    blocks.push(block);
    change(block.count);
  };
  /** Moves the oldest block into memory, or drops it if it has ended; false if there is no block. */
  const openBlock = (terms: IssueTerms, nowMs: number): boolean => {
    const block = blocks.shift();
    if (block === undefined) return false;
    change(-block.count);
    if (hasLife(block, terms, nowMs)) hand = rows.takeBlock(block.id).toReversed();
    else rows.dropBlock(block.id);
    change(hand.length);
    return true;
  };

  return {
    get size() {
      return size;
    },
    restore,
    add: (items) => restore(rows.writeBlock(offer, items)),
    take(terms, nowMs) {
      do {
        for (let item = hand.pop(); item !== undefined; item = hand.pop()) {
          change(-1);
          // Made by another node: dropped, nobody has seen it (M44).
          if (hasLife(item, terms, nowMs) && isOfNode(item, terms.node)) return item;
        }
      } while (openBlock(terms, nowMs));
      return undefined;
    },
    returnToDisk() {
      if (hand.length > 0) blocks.unshift(rows.writeBlock(offer, hand.toReversed()));
      hand = [];
    },
    forgetEnded(nowMs) {
      for (const block of blocks) if (block.endsAtMs <= nowMs) change(-block.count);
      blocks = blocks.filter(({ endsAtMs }) => endsAtMs > nowMs);
    },
  };
}
