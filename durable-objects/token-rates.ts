/*
 * How often a payment may be used, if the seller limits it: true sliding windows stored with the claims. They are decided and
 * written in the transaction of the reservation, so this limit costs no extra object call. Effects: the given storage, inside
 * the caller's transaction.
 */
import { DailyTable, type StoredRow } from './daily-table.ts';
import { takeRates, type RateCheck, type RateDecision, type RateLog } from './rate-rules.ts';

/** A window as the current transaction sees it. */
interface Held {
  readonly stored: StoredRow | undefined;
  log: RateLog;
  endsAtSeconds: number;
  isChanged: boolean;
}

/** The windows of one object. */
export class TokenRates {
  readonly #table: DailyTable;
  readonly #held = new Map<string, Held>();

  constructor(sql: SqlStorage) {
    this.#table = new DailyTable(sql, { name: 'token_rates', version: 1, columns: ['log TEXT'] });
  }

  /** Returns whether one more call passes; the call counts only once `count` is called. */
  ask({ key, bound }: RateCheck, nowMs: number): { readonly decision: RateDecision; readonly count: () => void } {
    const held = this.#hold(key);
    const decision = takeRates([{ log: held.log, bound }], nowMs);
    const count = () => {
      held.log = decision.logs?.[0] ?? held.log;
      // By the newest instant: after the clock is set back, it is later than now.
      held.endsAtSeconds = Math.ceil(((held.log.at(-1) ?? nowMs) + bound.windowMs) / 1000);
      held.isChanged = true;
    };
    return { decision, count };
  }

  /** Writes the changes, inside the transaction. */
  write(): void {
    for (const [key, { log, stored, endsAtSeconds, isChanged }] of this.#held) {
      if (isChanged) this.#table.write(key, [formatLog(log)], { endsAtSeconds, stored });
    }
  }

  /** Called after the transaction has committed. */
  settle(): void {
    this.#held.clear();
  }

  prune(nowMs: number): void {
    this.#table.prune(nowMs);
  }

  /** When the oldest windows can be dropped. */
  get nextPruneMs(): number | undefined {
    return this.#table.nextPruneMs;
  }

  #hold(key: string): Held {
    const known = this.#held.get(key);
    if (known !== undefined) return known;
    const stored = this.#table.find(key);
    const held = { stored, log: stored === undefined ? [] : parseLog(String(stored.values[0])), endsAtSeconds: 0, isChanged: false };
    this.#held.set(key, held);
    return held;
  }
}

/** Formats the first instant, then the differences between neighbours. */
function formatLog(log: RateLog): string {
  return log.map((instantMs, index) => instantMs - (log[index - 1] ?? 0)).join(' ');
}

function parseLog(text: string): RateLog {
  let instantMs = 0;
  return text.split(' ').map((step) => (instantMs += Number(step)));
}
