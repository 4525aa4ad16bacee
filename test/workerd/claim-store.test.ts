/*
 * What becomes of the book when a transaction is undone: nothing of it has happened, and nothing that was told before is
 * forgotten.
 */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import { ClaimStore, type ClaimRequest } from '#durable-objects/claim-store.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';

const namespace = (env as unknown as { REPLAY_SET: DurableObjectNamespace<ReplaySet> }).REPLAY_SET;
const stubOf = (name: string) => namespace.get(namespace.idFromName(name));
const paymentHash = new Uint8Array(32).fill(1).buffer;
const endsAtSeconds = Math.floor(Date.now() / 1000) + 3600;
const LEASE_MS = 90_000;

function order(reservationId: string, changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return { paymentHash, reservationId, leaseMs: LEASE_MS, endsAtSeconds, limit: 1, cost: 1, draws: [], ...changes };
}

/** A book, and transactions on it that end well or are undone. */
function openBook(name: string, run: (book: ClaimStore, tools: { commit: Run; undo: Run }) => void): Promise<void> {
  return runInDurableObject(stubOf(name), (_, { storage }) => {
    const book = new ClaimStore(storage.sql);
    const commit: Run = (work) => {
      storage.transactionSync(() => {
        work();
        book.write();
      });
      book.settle();
    };
    const undo: Run = (work) => {
      const attempt = () =>
        storage.transactionSync(() => {
          work();
          book.write();
          throw new Error('the disk is full');
        });
      expect(attempt).toThrow('the disk is full');
      book.reload();
    };
    run(book, { commit, undo });
  });
}

type Run = (work: () => void) => void;

describe('a transaction that is undone', () => {
  it('M11: takes a release with it: the call is under way as before, and its payment is not lost', () =>
    openBook('release', (book, { commit, undo }) => {
      commit(() => void book.reserve(order('a'), 0));
      const release = { paymentHash, reservationId: 'a', outcome: { kind: 'release' }, endsAtSeconds } as const;
      undo(() => void book.finish(release, 1));
      commit(() => expect(book.reserve(order('b'), 2).answer.kind).toBe('in_flight'));
      commit(() => expect(book.finish(release, 3)).toBe('recorded'));
      commit(() => expect(book.reserve(order('b'), 4).answer.kind).toBe('granted'));
    }));

  it('M10: takes the end of a lease with it: the payment is good again when that is written', () =>
    openBook('lease', (book, { commit, undo }) => {
      commit(() => void book.reserve(order('a'), 0));
      undo(() => void book.reserve(order('b'), LEASE_MS));
      commit(() => expect(book.reserve(order('b'), LEASE_MS).answer.kind).toBe('granted'));
    }));

  it('M10: forgets no outcome that was told before it', () =>
    openBook('told', (book, { commit, undo }) => {
      let number: number | undefined;
      commit(() => {
        number = book.reserve(order('a'), 0).number;
      });
      expect(book.count(number!)).toBe('recorded');
      undo(() => void book.reserve(order('b'), 1));
      commit(() => expect(book.reserve(order('b'), LEASE_MS).answer.kind).toBe('spent'));
    }));
});

describe('a payment that its preimage does not prove', () => {
  const unproved = { settlement: 'unproved' } as const;
  const proved = { settlement: 'proved' } as const;

  it('M24: is refused without a trace until somebody says that it was made, and is then believed for good', () =>
    openBook('proved', (book, { commit }) => {
      for (const id of ['a', 'b']) commit(() => expect(book.reserve(order(id, unproved), 0)).toEqual({ answer: { kind: 'unproved' } }));
      expect(book.nextPruneMs).toBeUndefined();
      commit(() => expect(book.reserve(order('c', { ...proved, limit: 2 }), 0).answer).toMatchObject({ kind: 'granted', remaining: 1 }));
      commit(() => expect(book.reserve(order('d', { ...unproved, limit: 2 }), 0).answer.kind).toBe('granted'));
      commit(() => expect(book.reserve(order('e', { ...unproved, paymentHash: new ArrayBuffer(32) }), 0).answer.kind).toBe('unproved'));
    }));

  it('M24: is not proved by uses that were in doubt or given back before', () =>
    openBook('in doubt', (book, { commit }) => {
      commit(() => expect(book.reserve(order('a', { limit: 5 }), 0).answer.kind).toBe('granted'));
      commit(() => expect(book.reserve(order('b', { ...unproved, limit: 5 }), LEASE_MS).answer.kind).toBe('unproved'));
    }));

  it('M24: is not proved by a transaction that is undone', () =>
    openBook('proof undone', (book, { commit, undo }) => {
      undo(() => void book.reserve(order('a', proved), 0));
      commit(() => expect(book.reserve(order('a', unproved), 0).answer.kind).toBe('unproved'));
    }));

  it('M2 M24 M32: is remembered as proved as long as its row is kept, and has ended then', () =>
    openBook('proof pruned', (book, { commit }) => {
      commit(() => void book.reserve(order('a', { ...proved, limit: 2 }), 0));
      commit(() => book.prune(endsAtSeconds * 1000));
      commit(() => expect(book.reserve(order('b', { ...unproved, limit: 2 }), 0).answer.kind).toBe('granted'));
      commit(() => book.prune(book.nextPruneMs!));
      commit(() => expect(book.reserve(order('c', unproved), 0).answer.kind).toBe('ended'));
      expect(book.nextPruneMs).toBeUndefined();
    }));
});

describe('a replay set whose write fails', () => {
  it('M10: tells whoever waits, and tries again to write an outcome that was told', () =>
    runInDurableObject(stubOf('write fails'), async (set: ReplaySet, { storage }) => {
      const { lease } = await set.reserve(order('a'));
      let failures = 2;
      const attempts = vi.spyOn(ClaimStore.prototype, 'write').mockImplementation(function (this: ClaimStore) {
        if (failures-- > 0) throw new Error('the disk is full');
        attempts.mockRestore();
        this.write();
      });
      const refused = expect(set.reserve(order('b'))).rejects.toThrow('the disk is full');
      await refused;
      expect(await lease!.commit()).toBe('recorded');
      await vi.waitFor(() => expect(failures).toBe(-1));
      const rows = storage.sql.exec<{ bits: ArrayBuffer }>('SELECT bits FROM open_uses_v1');
      expect([...rows].every(({ bits }) => new Uint8Array(bits).every((byte) => byte === 0))).toBe(true);
    }));
});
