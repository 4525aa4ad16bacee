/*
 * The alarm of an object whose rows end. The platform silently drops an alarm whose handler has failed seven times, so an
 * object never assumes that its alarm is set. The first use after a wake-up checks, which costs no row; an alarm whose work
 * fails is set again; work that is an hour overdue is done at the next use. Effects: the storage's alarm, the log.
 */

/** The delay before a failed alarm runs again. */
export const ALARM_RETRY_MS = 600_000;
/** An alarm this late is considered lost. */
export const LATE_ALARM_MS = 3_600_000;

/** Keeps an alarm set while there is something to drop. */
export class PruneAlarm {
  readonly #storage: DurableObjectStorage;
  readonly #nextMs: () => number | undefined;
  /** When the oldest rows could be dropped, at wake-up. */
  readonly #foundMs: number | undefined;
  /** The instant that the alarm is set for, as far as this life of the object knows. */
  #plannedMs: number | undefined;
  /** When overdue work was last tried. */
  #triedMs = 0;

  /** `nextMs` returns when the oldest rows can be dropped. */
  constructor(storage: DurableObjectStorage, nextMs: () => number | undefined) {
    this.#storage = storage;
    this.#nextMs = nextMs;
    this.#foundMs = nextMs();
  }

  /** Sets the alarm if necessary. Call it after each change. Returns a promise to wait for, usually none. */
  plan(): Promise<void> | undefined {
    const nextMs = this.#nextMs();
    if (nextMs === undefined || nextMs === this.#plannedMs) return undefined;
    const isPerhapsSet = this.#plannedMs === undefined && nextMs === this.#foundMs;
    this.#plannedMs = nextMs;
    const setting = isPerhapsSet ? this.#ensure() : this.#storage.setAlarm(nextMs);
    return setting.catch((error: unknown) => {
      this.#plannedMs = undefined;
      report(error);
    });
  }

  /** Drops what a lost alarm should have dropped. Call it before each change. */
  makeUp(prune: () => void, nowMs: number): void {
    const nextMs = this.#nextMs();
    if (nextMs === undefined || nowMs < Math.max(nextMs, this.#triedMs) + LATE_ALARM_MS) return;
    this.#triedMs = nowMs;
    try {
      prune();
    } catch (error) {
      report(error);
    }
  }

  /** Does the work of an alarm, and sets the next one. */
  async run(prune: () => void): Promise<void> {
    await runAlarm(this.#storage, async () => {
      prune();
      this.#plannedMs = this.#nextMs();
      if (this.#plannedMs !== undefined) await this.#storage.setAlarm(this.#plannedMs);
    });
  }

  async #ensure(): Promise<void> {
    const alarmMs = await this.#storage.getAlarm();
    const nextMs = this.#nextMs();
    if (nextMs !== undefined && (alarmMs === null || alarmMs > nextMs)) await this.#storage.setAlarm(nextMs);
  }
}

/** Does the work of an alarm. On failure it sets the alarm again, until the work succeeds. */
export async function runAlarm(storage: DurableObjectStorage, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    report(error);
    await storage.setAlarm(Date.now() + ALARM_RETRY_MS);
  }
}

function report(error: unknown): void {
  console.error(JSON.stringify({ event: 'fault', at: 'alarm', message: error instanceof Error ? error.message : 'unknown' }));
}
