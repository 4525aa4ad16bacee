/*
 * The rate limiter: exact sliding windows shared by all isolates, for routes, for the whole gateway and for passes with their
 * own rate. The rules are in rate-rules.ts. Windows are decided in memory and written once a second (kept-rows.ts): with
 * memory alone, ten quiet seconds would reset them. Keys are routes or payments, never names that a client can choose; when
 * there are too many, the least recently used is dropped. Effects: its storage and alarm.
 */
import { DurableObject } from 'cloudflare:workers';
import { keepRows, type KeptRow, type KeptRows } from './kept-rows.ts';
import { runAlarm } from './prune-alarm.ts';
import { takeRates, type RateAnswer, type RateCheck, type RateLog } from './rate-rules.ts';

interface RateRow extends KeptRow {
  readonly log: RateLog;
}

/** Most windows in one object. */
export const MOST_RATE_KEYS = 20_000;
/** Most instants in all windows of one object: 16 MB or less. */
export const MOST_RATE_INSTANTS = 1_000_000;

export class RateLimiter extends DurableObject {
  readonly #rows: KeptRows<RateRow>;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#rows = keepRows<RateRow>(ctx.storage, { weigh: ({ log }) => log.length });
  }

  /** Lets one call pass under all of these limits, or under none. */
  take(checks: readonly RateCheck[]): RateAnswer {
    const nowMs = Date.now();
    const counts = checks.map(({ key, bound }) => ({ log: this.#rows.get(key)?.log ?? [], bound }));
    const { logs, ...answer } = takeRates(counts, nowMs);
    for (const [index, log] of (logs ?? []).entries()) {
      const { key, bound } = checks[index]!;
      this.#makeRoom(key, nowMs);
      // By the newest instant: after the clock is set back, it is later than now.
      this.#rows.set(key, { log, endsAtMs: log.at(-1)! + bound.windowMs });
    }
    return answer;
  }

  /** Drops windows that have ended. */
  override alarm(): Promise<void> {
    return runAlarm(this.ctx.storage, async () => {
      this.#rows.sweep(Date.now());
      await this.#rows.flush();
    });
  }

  #makeRoom(key: string, nowMs: number): void {
    const isFull = () =>
      (this.#rows.get(key) === undefined && this.#rows.size >= MOST_RATE_KEYS) || this.#rows.weight >= MOST_RATE_INSTANTS;
    if (!isFull()) return;
    this.#rows.sweep(nowMs);
    while (isFull()) {
      const oldest = this.#rows.oldestKey();
      if (oldest === undefined) return;
      this.#rows.drop(oldest);
    }
  }
}
