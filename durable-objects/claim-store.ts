/*
 * The rows of one replay set: payments, the counters that holders put on them, and which uses are open. Applies
 * claim-rules.ts and writes each row once per transaction, however many calls of one payment are in it. Effects: the given
 * storage, inside the caller's transaction.
 */
import {
  finishUse,
  giveBack,
  holderOf,
  reserveUnits,
  revokePayment,
  settlePayment,
  UNUSED,
  type Counter,
  type Draw,
  type FinishAnswer,
  type Outcome,
  type Payment,
  type Reservation,
  type ReserveAnswer,
  type Settlement,
} from './claim-rules.ts';
import { DailyTable, type StoredRow, type TableOptions, type Value } from './daily-table.ts';
import { HolderCooling } from './holder-cooling.ts';
import { ForgottenUntil } from './forgotten-until.ts';
import { formatUses, parseUses } from './open-use-text.ts';
import { OpenUses } from './open-uses.ts';
import { type RateCheck } from './rate-rules.ts';
import { TokenRates } from './token-rates.ts';
import { layOutUses, openUsesOf, type UsePage } from './use-page-rules.ts';
import { formatMarks, UsePages } from './use-pages.ts';

export interface ClaimRequest extends Reservation {
  readonly paymentHash: ArrayBuffer;
  /** The row is kept at least until this instant. From then on nothing is granted (M32). */
  readonly endsAtSeconds: number;
  /** `undefined`: the preimage is the proof. */
  readonly settlement?: Settlement | undefined;
  /** How often the payment may be used. `undefined`: no limit. */
  readonly rate?: RateCheck | undefined;
}

export interface FinishRequest {
  readonly paymentHash: ArrayBuffer;
  readonly reservationId: string;
  readonly outcome: Outcome;
  readonly endsAtSeconds: number;
}

export type PaymentRequest = Pick<ClaimRequest, 'paymentHash' | 'endsAtSeconds'>;

/** A row as the current transaction sees it. */
interface Held<Row> {
  readonly stored: StoredRow | undefined;
  row: Row | undefined;
  endsAtSeconds: number;
  isChanged: boolean;
}

interface HeldPayment extends Held<Payment> {
  readonly key: ArrayBuffer;
  /** Pages of the open uses that do not fit in the row. */
  pages: readonly UsePage[];
}

const PAYMENT_COLUMNS = [
  'used INTEGER',
  'releases INTEGER',
  'abandonments INTEGER',
  'cools_until_ms INTEGER',
  'counters INTEGER',
  'open TEXT',
];
const PAYMENTS: TableOptions = {
  name: 'payments',
  version: 3,
  columns: [...PAYMENT_COLUMNS, 'pages TEXT', 'abandoned_at_ms INTEGER'],
  earlier: [
    // Had no time of abandonment.
    { version: 2, columns: [...PAYMENT_COLUMNS, 'pages TEXT'], upgrade: (values) => [...values, 0] },
    // Kept all open uses in the row.
    { version: 1, columns: PAYMENT_COLUMNS, upgrade: (values) => [...values, '', 0] },
  ],
};

/** The number of a use that is not granted. */
const NO_NUMBER = -1;
const NO_PAGES: readonly UsePage[] = [];

/** The claim store of one object. */
export class ClaimStore {
  readonly #sql: SqlStorage;
  #payments!: DailyTable;
  #counters!: DailyTable;
  /** Payments that the node has confirmed (M24). */
  #proved!: DailyTable;
  #rates!: TokenRates;
  #open!: OpenUses;
  #pages!: UsePages;
  #forgottenUntil!: ForgottenUntil;
  #cooling!: HolderCooling;
  readonly #heldPayments = new Map<string, HeldPayment>();
  readonly #heldCounters = new Map<string, Held<Counter>>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.reload();
  }

  /** Reads everything again after a rollback. Outcomes that were already acknowledged are kept. */
  reload(): void {
    this.#heldPayments.clear();
    this.#heldCounters.clear();
    this.#payments = new DailyTable(this.#sql, PAYMENTS);
    this.#counters = new DailyTable(this.#sql, { name: 'counters', version: 1, columns: ['used INTEGER', 'period TEXT'] });
    this.#proved = new DailyTable(this.#sql, { name: 'proved', version: 1, columns: ['proved INTEGER'] });
    this.#rates = new TokenRates(this.#sql);
    this.#open = new OpenUses(this.#sql, this.#open?.unwritten);
    this.#pages = new UsePages(this.#sql);
    this.#forgottenUntil = new ForgottenUntil(this.#sql);
    this.#cooling = new HolderCooling();
  }

  /** Whether acknowledged outcomes are not on disk yet. */
  get hasUnwritten(): boolean {
    return this.#open.unwritten.length > 0;
  }

  /** Reserves units of a payment, or says why it cannot. */
  reserve(asked: ClaimRequest, nowMs: number): { readonly answer: ReserveAnswer; readonly number?: number | undefined } {
    const request = withOwnMonth(asked, nowMs);
    const { paymentHash, endsAtSeconds, draws, settlement, rate } = request;
    // Checked before anything is read or written: the row may be gone already, and a retry must not bring it back.
    if (endsAtSeconds * 1000 <= Math.max(nowMs, this.#forgottenUntil.ms)) return { answer: { kind: 'ended' } };
    if (settlement !== undefined && this.#proved.find(paymentHash) === undefined) {
      if (settlement === 'unproved') return { answer: { kind: 'unproved' } };
      this.#proved.write(paymentHash, [1], { endsAtSeconds, stored: undefined });
    }
    const held = this.#holdPayment(paymentHash, endsAtSeconds);
    const isFirst = held.row === undefined;
    const { payment, ended, givenBack } = settlePayment(held.row, this.#isOpen, nowMs);
    if (ended.length > 0) {
      change(held, payment);
      for (const number of ended) this.#open.close(number);
      this.#giveBack(givenBack, endsAtSeconds);
    }
    const counters = draws.map(({ key }) => this.#holdCounter(key, endsAtSeconds));
    const state = { payment, counters: counters.map(({ row }) => row) };
    const holder = holderOf(draws);
    const holderCoolsUntilMs = holder === undefined ? 0 : this.#cooling.until(holder);
    const rated = rate === undefined ? undefined : this.#rates.ask(rate, nowMs);
    const reading = rated?.decision.readings[0];
    if (rated?.decision.allowed === false && reading !== undefined) {
      // Checks whether it would be granted otherwise: a spent payment is reported as spent, not as rated.
      const { answer, number, payment: next } = reserveUnits(state, request, { nextNumber: () => NO_NUMBER, nowMs, holderCoolsUntilMs });
      if (next === undefined) return { answer, number };
      return { answer: { kind: 'rated', retryAfterSeconds: rated.decision.retryAfterSeconds, rate: reading } };
    }
    const nextNumber = () => this.#open.add(endsAtSeconds);
    const reserved = reserveUnits(state, request, { nextNumber, nowMs, holderCoolsUntilMs });
    if (holder !== undefined && reserved.number !== undefined)
      this.#cooling.begin(reserved.number, { payment: nameOf(paymentHash), name: holder });
    if (reserved.payment !== undefined) rated?.count();
    if (reserved.payment !== undefined) change(held, reserved.payment);
    for (const [index, counter] of (reserved.counters ?? []).entries()) change(counters[index]!, counter);
    const { answer, number } = reserved;
    if (answer.kind !== 'granted') return { answer, number };
    const told = { ...(reading === undefined ? {} : { rate: reading }), ...(isFirst ? { isFirst } : {}) };
    return { answer: { ...answer, ...told }, number };
  }

  /** Records the outcome of a reservation by its id. */
  finish({ paymentHash, reservationId, outcome, endsAtSeconds }: FinishRequest, nowMs: number): FinishAnswer {
    const held = this.#holdPayment(paymentHash, endsAtSeconds);
    const payment = nameOf(paymentHash);
    const isWide = () => this.#cooling.isWide(payment, nowMs);
    const finished = finishUse(held.row, { reservationId, outcome }, { isOpen: this.#isOpen, nowMs, isWide });
    if (finished.number !== undefined) this.#open.close(finished.number);
    if (finished.payment !== undefined) change(held, finished.payment);
    this.#giveBack(finished.givenBack, endsAtSeconds);
    if (outcome.kind === 'commit' && finished.number !== undefined) this.#cooling.count(finished.number);
    if (finished.cooledHolder !== undefined) this.#cooling.release({ payment, name: finished.cooledHolder }, nowMs);
    return finished.answer;
  }

  /** Remembers a payment whose uses are not counted (a pass); true if it was unknown before. */
  noteFirst({ paymentHash, endsAtSeconds }: PaymentRequest): boolean {
    const held = this.#holdPayment(paymentHash, endsAtSeconds);
    if (held.row !== undefined) return false;
    change(held, UNUSED);
    return true;
  }

  /** Marks a payment as revoked. */
  revoke({ paymentHash, endsAtSeconds }: PaymentRequest): void {
    const held = this.#holdPayment(paymentHash, endsAtSeconds);
    change(held, revokePayment(held.row));
  }

  /** The normal case: a use is counted at its reserved cost. Only its bit has to be written. */
  count(number: number): FinishAnswer {
    if (!this.#open.isOpen(number)) return 'stale';
    this.#open.tell(number);
    this.#cooling.count(number);
    return 'recorded';
  }

  /** Writes the changes, inside the transaction. */
  write(): void {
    for (const held of this.#heldPayments.values()) if (held.isChanged) this.#writePayment(held);
    for (const [key, { row, stored, endsAtSeconds, isChanged }] of this.#heldCounters) {
      if (isChanged && row !== undefined) this.#counters.write(key, [row.used, row.period], { endsAtSeconds, stored });
    }
    this.#rates.write();
    this.#open.write();
  }

  /** Called after the transaction has committed. */
  settle(): void {
    for (const [name, { pages }] of this.#heldPayments) this.#pages.keep(name, pages);
    this.#heldPayments.clear();
    this.#heldCounters.clear();
    this.#rates.settle();
    this.#open.settle();
  }

  prune(nowMs: number): void {
    const droppedUntilMs = [this.#payments, this.#counters, this.#proved].map((table) => table.prune(nowMs));
    this.#forgottenUntil.advance(Math.max(...droppedUntilMs));
    this.#rates.prune(nowMs);
    this.#open.prune(nowMs);
    this.#pages.prune(nowMs);
  }

  /** When the oldest rows can be dropped. */
  get nextPruneMs(): number | undefined {
    let oldest: number | undefined;
    for (const { nextPruneMs } of [this.#payments, this.#counters, this.#proved, this.#rates]) {
      if (nextPruneMs !== undefined) oldest = Math.min(oldest ?? nextPruneMs, nextPruneMs);
    }
    return oldest;
  }

  readonly #isOpen = (number: number) => this.#open.isOpen(number);

  #holdPayment(key: ArrayBuffer, endsAtSeconds: number): HeldPayment {
    const name = nameOf(key);
    const known = this.#heldPayments.get(name);
    if (known !== undefined) {
      known.endsAtSeconds = Math.max(known.endsAtSeconds, endsAtSeconds);
      return known;
    }
    const stored = this.#payments.find(key);
    const pages = stored === undefined ? NO_PAGES : this.#pages.read(name, key, String(stored.values[PAYMENT_COLUMNS.length]));
    const row = stored === undefined ? undefined : toPayment(stored.values, pages);
    const held = { key, stored, row, pages, endsAtSeconds, isChanged: false };
    this.#heldPayments.set(name, held);
    return held;
  }

  #writePayment(held: HeldPayment): void {
    const { key, row, stored, endsAtSeconds } = held;
    if (row === undefined) return;
    const { inRow, pages, dropped } = layOutUses(row.open, held.pages);
    held.pages = pages.length + dropped.length === 0 ? NO_PAGES : this.#pages.write(key, { pages, dropped }, endsAtSeconds);
    const { used, releases, abandonments, abandonedAtMs, coolsUntilMs, counters } = row;
    const counts = [used, releases, abandonments, coolsUntilMs, counters];
    const values = [...counts, formatUses(inRow), formatMarks(held.pages), abandonedAtMs];
    this.#payments.write(key, values, { endsAtSeconds, stored });
  }

  #holdCounter(key: string, endsAtSeconds: number): Held<Counter> {
    const known = this.#heldCounters.get(key);
    if (known !== undefined) {
      known.endsAtSeconds = Math.max(known.endsAtSeconds, endsAtSeconds);
      return known;
    }
    const stored = this.#counters.find(key);
    const row = stored === undefined ? undefined : { used: Number(stored.values[0]), period: String(stored.values[1]) };
    const held = { stored, row, endsAtSeconds, isChanged: false };
    this.#heldCounters.set(key, held);
    return held;
  }

  #giveBack(draws: readonly Draw[], endsAtSeconds: number): void {
    for (const draw of draws) {
      const held = this.#holdCounter(draw.key, endsAtSeconds);
      if (held.row !== undefined) change(held, giveBack(held.row, draw));
    }
  }
}

/** Caps the period at the object's own month: a gateway whose clock is ahead cannot reset a counter early (M33). */
function withOwnMonth(request: ClaimRequest, nowMs: number): ClaimRequest {
  if (request.draws.every(({ period }) => period === '')) return request;
  const month = new Date(nowMs).toISOString().slice(0, 7);
  return { ...request, draws: request.draws.map((draw) => (draw.period > month ? { ...draw, period: month } : draw)) };
}

function nameOf(paymentHash: ArrayBuffer): string {
  return String.fromCharCode(...new Uint8Array(paymentHash));
}

function change<Row>(held: Held<Row>, row: Row): void {
  held.row = row;
  held.isChanged = true;
}

function toPayment(values: readonly Value[], pages: readonly UsePage[]): Payment {
  const [used, releases, abandonments, coolsUntilMs, counters] = values.map(Number) as [number, number, number, number, number];
  const inRow = parseUses(String(values[5]));
  const open = pages.length === 0 ? inRow : [...pages.flatMap(openUsesOf), ...inRow];
  return { used, releases, abandonments, abandonedAtMs: Number(values[7]), coolsUntilMs, counters, open };
}
