/*
 * What calls that share a store have under way, so that none of them buys what another is buying, or uses up what another has
 * bought for itself (M47). Memory of one process; it goes with the store.
 */
import { type CredentialStore } from './credential-store.ts';
import { L402Error } from './error.ts';

export interface Purchases {
  /** Until the purchase for this intent is over; `undefined`: nobody is buying. Throws what left that purchase in doubt. */
  settled(intent: string, signal: AbortSignal | undefined): Promise<void> | undefined;
  /** Buys for an intent: all others with the same one wait for it. */
  run<Value>(intent: string, buy: () => Promise<Value>): Promise<Value>;
  /** What is bought there is used up by the call that bought it: each call buys its own. */
  noteSingle(intent: string): void;
  isSingle(intent: string): boolean;
  /** Credentials whose first use is under way: nobody else takes them. */
  readonly busy: Set<string>;
}

const ofStores = new WeakMap<CredentialStore, Purchases>();
/** Intents of which it is known; the oldest goes first. */
const MOST_SINGLES = 1000;

/** What is under way for a store. */
export function purchasesOf(store: CredentialStore): Purchases {
  const known = ofStores.get(store);
  if (known !== undefined) return known;
  const purchases = createPurchases();
  ofStores.set(store, purchases);
  return purchases;
}

function createPurchases(): Purchases {
  const running = new Map<string, Promise<unknown>>();
  const singles = new Set<string>();
  return {
    settled(intent, signal) {
      const buying = running.get(intent);
      return buying === undefined ? undefined : untilAborted(buying.catch(throwDoubt), signal);
    },
    async run(intent, buy) {
      const buying = buy();
      running.set(intent, buying);
      try {
        return await buying;
      } finally {
        if (running.get(intent) === buying) running.delete(intent);
      }
    },
    noteSingle(intent) {
      singles.add(intent);
      if (singles.size > MOST_SINGLES) singles.delete(singles.values().next().value!);
    },
    isSingle: (intent) => singles.has(intent),
    busy: new Set(),
  };
}

/** Who waited for a payment that may have been made must not make another one. */
function throwDoubt(error: unknown): void {
  if (error instanceof L402Error && error.paid === 'unknown') throw error;
}

async function untilAborted(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return void (await work);
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  await Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', stop));
}
