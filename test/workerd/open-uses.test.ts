/*
 * Many open uses of one payment: what a reservation writes then, and that the book on disk decides as the rules do in memory,
 * whenever the object is put to sleep and whichever transaction is undone.
 */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClaimStore, type ClaimRequest } from '#durable-objects/claim-store.ts';
import {
  finishUse,
  giveBack,
  holderOf,
  reserveUnits,
  settlePayment,
  type Counter,
  type Draw,
  type Outcome,
  type Payment,
} from '#durable-objects/claim-rules.ts';
import { HolderCooling } from '#durable-objects/holder-cooling.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { MOST_USES_KEPT } from '#durable-objects/use-pages.ts';

const namespace = (env as unknown as { REPLAY_SET: DurableObjectNamespace<ReplaySet> }).REPLAY_SET;
const hashOf = (payment: number) => new Uint8Array(32).fill(payment).buffer;
const endsAtSeconds = Math.floor(Date.now() / 1000) + 3600;
const LEASE_MS = 90_000;
const LIMIT = 1_000_000;
const USES = 1000;
/** As long as those of a gateway. */
const draws = Array.from({ length: 4 }, (_, index) => ({ key: `${index}`.repeat(32), limit: LIMIT, cost: 1, period: '' }));

function order(reservationId: string, changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return { paymentHash: hashOf(1), reservationId, leaseMs: LEASE_MS, endsAtSeconds, limit: LIMIT, cost: 1, draws: [], ...changes };
}

/** A book whose every step is a transaction, and that tells how many bytes and rows each of them wrote. */
function openBook(name: string, run: (tools: ReturnType<typeof toolsFor>) => void): Promise<void> {
  return runInDurableObject(namespace.get(namespace.idFromName(name)), (_, { storage }) => run(toolsFor(storage)));
}

function toolsFor(storage: DurableObjectStorage) {
  const written = { bytes: 0, rows: 0 };
  const exec = storage.sql.exec.bind(storage.sql);
  const sql = {
    exec: (text: string, ...values: SqlStorageValue[]) => {
      const cursor = exec(text, ...values);
      if (!text.startsWith('INSERT')) return cursor;
      for (const value of values)
        written.bytes += typeof value === 'string' ? value.length : value instanceof ArrayBuffer ? value.byteLength : 8;
      written.rows += cursor.rowsWritten;
      return cursor;
    },
  } as SqlStorage;
  let book = new ClaimStore(sql);
  return {
    /** Returns the answer, and what was written for it. */
    step<Answer>(work: (book: ClaimStore) => Answer): { readonly answer: Answer; readonly bytes: number; readonly rows: number } {
      Object.assign(written, { bytes: 0, rows: 0 });
      const answer = storage.transactionSync(() => {
        const decided = work(book);
        book.write();
        return decided;
      });
      book.settle();
      return { answer, ...written };
    },
    undo(work: (book: ClaimStore) => unknown): void {
      const attempt = () =>
        storage.transactionSync(() => {
          work(book);
          book.write();
          throw new Error('the disk is full');
        });
      expect(attempt).toThrow('the disk is full');
      book.reload();
    },
    sleep(): void {
      book = new ClaimStore(sql);
    },
    countTables: (name: string) => [...exec('SELECT 1 FROM sqlite_master WHERE name = ?', name)].length,
    countRows: (table: string) => [...exec(`SELECT 1 FROM ${table}`)].length,
  };
}

const COMMIT = { kind: 'commit' } as const;
const RELEASE = { kind: 'release' } as const;

function finish(reservationId: string, outcome: Outcome, payment = 1) {
  return { paymentHash: hashOf(payment), reservationId, outcome, endsAtSeconds };
}

describe('a payment with a thousand open uses', () => {
  it('M6: writes a bounded row for each reservation, not all of them', () =>
    openBook('bounded', ({ step, sleep }) => {
      const bytes: number[] = [];
      let rows = 0;
      for (let index = 0; index < USES; index++) {
        if (index % 100 === 99) sleep();
        const reserved = step((book) => book.reserve(order(`${index}`.padStart(32, '0'), { draws }), 0));
        expect(reserved.answer.answer.kind).toBe('granted');
        bytes.push(reserved.bytes);
        rows += reserved.rows;
      }
      expect(Math.max(...bytes)).toBeLessThan(12_000);
      // The payment, its four counters and a page of bits; a page of uses once in seventeen times.
      expect(rows).toBeLessThan(USES * 6.1);
    }));

  it('M10 M11: finds each of them: what is told is told, what is given back is good again, and the rest is decided when the leases end', () =>
    openBook('found', ({ step, undo, sleep, countRows }) => {
      for (let index = 0; index < USES; index++) step((book) => book.reserve(order(`r${index}`, { limit: USES }), 0));
      const ask = (id: string, nowMs: number) => step((book) => book.reserve(order(id, { limit: USES }), nowMs)).answer.answer;
      sleep();
      expect(ask('one more', 1).kind).toBe('in_flight');
      expect(ask('r3', 1)).toEqual({ kind: 'granted', remaining: 0, left: [] });
      undo((book) => book.finish(finish('r5', RELEASE), 1));
      expect(ask('one more', 1).kind).toBe('in_flight');
      expect(step((book) => book.finish(finish('r5', RELEASE), 1)).answer).toBe('recorded');
      expect(step((book) => book.finish(finish('r5', RELEASE), 1)).answer).toBe('stale');
      sleep();
      for (let index = 6; index < USES - 6; index++) step((book) => book.finish(finish(`r${index}`, COMMIT), 2));
      expect(ask('after r5', 2)).toEqual({ kind: 'granted', remaining: 0, left: [] });
      // Eleven have no outcome: they were abandoned together, and that is forgiven.
      const late = Array.from({ length: 11 }, (_, index) => `late ${index}`);
      for (const [index, id] of late.entries()) expect(ask(id, LEASE_MS)).toEqual({ kind: 'granted', remaining: 10 - index, left: [] });
      for (const id of ['after r5', ...late]) step((book) => book.finish(finish(id, COMMIT), LEASE_MS));
      expect(ask('too many', LEASE_MS + 1)).toEqual({ kind: 'spent', remaining: 0 });
      expect(countRows('use_pages_v1')).toBe(0);
    }));

  it('M2: leaves no page behind when it has ended', () =>
    openBook('ended', ({ step, countRows }) => {
      for (let index = 0; index < 120; index++) step((book) => book.reserve(order(`r${index}`), 0));
      expect(countRows('use_pages_v1')).toBe(2);
      step((book) => book.prune(book.nextPruneMs!));
      expect(countRows('use_pages_v1')).toBe(0);
    }));

  it('keeps a bounded number of pages in memory, and reads the others again', () =>
    openBook('memory', ({ step }) => {
      const payments = Math.ceil(MOST_USES_KEPT / USES) + 1;
      const ids = Array.from({ length: USES }, (_, index) => `r${index}`);
      for (let payment = 0; payment < payments; payment++) {
        step((book) => ids.forEach((id) => book.reserve(order(id, { paymentHash: hashOf(payment), limit: USES }), 0)));
      }
      for (let payment = 0; payment < payments; payment++) {
        expect(step((book) => book.finish(finish('r7', RELEASE, payment), 1)).answer).toBe('recorded');
        const { answer } = step((book) => book.reserve(order('again', { paymentHash: hashOf(payment), limit: USES }), 1));
        expect(answer.answer).toEqual({ kind: 'granted', remaining: 0, left: [] });
      }
    }));
});

describe('a payment with up to eighty open uses', () => {
  it('writes no page, however often it is used', () =>
    openBook('few', ({ step, sleep, countTables }) => {
      for (let index = 0; index < 300; index++) {
        expect(step((book) => book.reserve(order(`r${index}`), 0)).answer.answer.kind).toBe('granted');
        if (index >= 79) step((book) => book.finish(finish(`r${index - 79}`, COMMIT), 0));
        if (index % 7 === 0) sleep();
      }
      expect(countTables('use_pages_v1')).toBe(0);
    }));
});

type Step =
  | { readonly kind: 'reserve'; readonly times: number; readonly cost: number }
  | { readonly kind: 'finish'; readonly at: number; readonly outcome: Outcome; readonly times: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'sleep' | 'undo' };

/** The rules on one payment and its counters, all in memory. */
class Reference {
  payment: Payment | undefined;
  readonly counters = new Map<string, Counter>();
  readonly #open = new Set<number>();
  #cooling = new HolderCooling();
  #next = 0;

  /** What is kept in memory only goes when the object sleeps, or a transaction is undone. */
  forget(): void {
    this.#cooling = new HolderCooling();
  }

  reserve(request: ClaimRequest, nowMs: number) {
    const isFirst = this.payment === undefined;
    const { payment, ended, givenBack } = settlePayment(this.payment, this.#isOpen, nowMs);
    for (const number of ended) this.#open.delete(number);
    if (ended.length > 0) this.payment = payment;
    this.#giveBack(givenBack);
    const counters = request.draws.map(({ key }) => this.counters.get(key));
    const nextNumber = () => {
      this.#open.add(this.#next);
      return this.#next++;
    };
    const holder = holderOf(request.draws);
    const holderCoolsUntilMs = holder === undefined ? 0 : this.#cooling.until(holder);
    const reserved = reserveUnits({ payment, counters }, request, { nextNumber, nowMs, holderCoolsUntilMs });
    if (holder !== undefined && reserved.number !== undefined) this.#cooling.begin(reserved.number, { payment: 'one', name: holder });
    this.payment = reserved.payment ?? this.payment;
    for (const [index, counter] of (reserved.counters ?? []).entries()) this.counters.set(request.draws[index]!.key, counter);
    return reserved.answer.kind === 'granted' && isFirst ? { ...reserved.answer, isFirst } : reserved.answer;
  }

  finish(reservationId: string, outcome: Outcome, nowMs: number) {
    const finished = finishUse(
      this.payment,
      { reservationId, outcome },
      { isOpen: this.#isOpen, nowMs, isWide: () => this.#cooling.isWide('one', nowMs) },
    );
    if (finished.number !== undefined) this.#open.delete(finished.number);
    this.payment = finished.payment ?? this.payment;
    this.#giveBack(finished.givenBack);
    if (outcome.kind === 'commit' && finished.number !== undefined) this.#cooling.count(finished.number);
    if (finished.cooledHolder !== undefined) this.#cooling.release({ payment: 'one', name: finished.cooledHolder }, nowMs);
    return finished.answer;
  }

  readonly #isOpen = (number: number) => this.#open.has(number);

  #giveBack(draws: readonly Draw[]): void {
    for (const draw of draws) this.counters.set(draw.key, giveBack(this.counters.get(draw.key)!, draw));
  }
}

const outcomes = fc.constantFrom<Outcome>(COMMIT, COMMIT, { kind: 'commit', cost: 1 }, RELEASE, { kind: 'release', cools: false });
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('reserve' as const), times: fc.integer({ min: 1, max: 30 }), cost: fc.nat(3) }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('finish' as const), at: fc.nat(200), outcome: outcomes, times: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 11_000, LEASE_MS / 2, LEASE_MS) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('sleep' as const, 'undo' as const) }) },
  ),
  { maxLength: 30, size: 'max' },
);

describe('the book', () => {
  it('M10 M11 M12: answers as the rules do in memory, through sleep and undone transactions', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(steps, (life: readonly Step[]) =>
        openBook(`life ${run++}`, ({ step, undo, sleep }) => {
          const reference = new Reference();
          const ids: string[] = [];
          let nowMs = 0;
          const holders = ['one', 'two', 'three'].map((key) => ({ key, limit: 250, cost: 1, period: '' }));
          // By the payer, or by a holder.
          const ask = (cost: number, id: string) => order(id, { limit: 300, cost, draws: cost % 2 === 0 ? holders : [] });
          for (const one of life) {
            if (one.kind === 'wait') nowMs += one.ms;
            if (one.kind === 'sleep') sleep();
            if (one.kind === 'sleep' || one.kind === 'undo') reference.forget();
            if (one.kind === 'undo')
              undo((book) => [book.reserve(ask(1, 'undone'), nowMs), book.finish(finish(ids[0] ?? '', RELEASE), nowMs)]);
            if (one.kind === 'reserve') {
              for (let times = 0; times < one.times; times++) {
                const request = ask(one.cost, `r${ids.length}`);
                ids.push(request.reservationId);
                expect(step((book) => book.reserve(request, nowMs)).answer.answer).toEqual(reference.reserve(request, nowMs));
              }
            }
            if (one.kind === 'finish') {
              for (const id of ids.slice(one.at % (ids.length + 1)).slice(0, one.times)) {
                const answer = step((book) => book.finish(finish(id, one.outcome), nowMs)).answer;
                expect(answer).toBe(reference.finish(id, one.outcome, nowMs));
              }
            }
          }
        }),
      ),
      { numRuns: 60 },
    );
  });
});
