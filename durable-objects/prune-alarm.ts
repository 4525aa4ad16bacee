/*
 * The alarm of an object whose rows end. The platform gives an alarm up when its handler has failed seven times, and nobody is
 * told; so an object never takes for granted that its alarm is set. Its first use after it was woken looks, which costs no
 * row; an alarm whose work fails is set again; and what an alarm should have done an hour ago is done with the next use.
 * Effects: the storage's alarm, the log.
 */

/** An alarm whose work has failed is set again for so long after. */
export const ALARM_RETRY_MS = 600_000;
/** An alarm that is so late does not come. */
export const LATE_ALARM_MS = 3_600_000;

/** Keeps an alarm set for as long as there is something to drop. */
export class PruneAlarm {
  readonly #storage: DurableObjectStorage;
  readonly #nextMs: () => number | undefined;
  /** What there was to drop when the object was woken. */
  readonly #foundMs: number | undefined;
  /** The instant that the alarm is set for, as far as this life of the object knows. */
  #plannedMs: number | undefined;
  /** When late work was last tried. */
  #triedMs = 0;

  /** `nextMs` tells when the oldest rows can go. */
  constructor(storage: DurableObjectStorage, nextMs: () => number | undefined) {
    this.#storage = storage;
    this.#nextMs = nextMs;
    this.#foundMs = nextMs();
  }

  /** To be called after each change: sets the alarm where that is needed. Returns what is to be waited for, as a rule nothing. */
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

  /** To be called before each change: drops what the alarm should have dropped, if it has not come. */
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

/** Does the work of an alarm; when it fails it is tried again later, for as long as it fails. */
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
