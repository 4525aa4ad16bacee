/*
 * What calls that share a store have under way, so that none of them buys what another is buying, or uses up what another has
 * bought for itself (M47). Memory of one process; it goes with the store.
 */
import { type CredentialStore } from './credential-store.ts';
import { L402Error } from './error.ts';

/** Buys, and tells what it waits for as soon as the wallet is asked. */
export type Buy<Value> = (onPaying: (paying: Promise<unknown>) => void) => Promise<Value>;

export interface Purchases {
  /** Until the purchase for this intent is over; `undefined`: nobody is buying. Throws what left that purchase in doubt. */
  settled(intent: string, signal: AbortSignal | undefined): Promise<void> | undefined;
  /** Buys for an intent: all others with the same one wait for it, until the wallet is done even if the buyer has left before. */
  run<Value>(intent: string, buy: Buy<Value>): Promise<Value>;
  /** Buys beside others with the same intent what each uses up itself. */
  runBeside<Value>(intent: string, buy: Buy<Value>): Promise<Value>;
  /** As `settled`, for what a buyer beside others has left behind: one call each waits for it, and may leave it to the next. */
  takeOver(intent: string, signal: AbortSignal | undefined): Promise<void> | undefined;
  /** What is bought there is used up by the call that bought it: each call buys its own. */
  noteSingle(intent: string): void;
  isSingle(intent: string): boolean;
  /** Credentials whose first use is under way: nobody else takes them. */
  readonly busy: Set<string>;
}

/** A purchase whose buyer has left while the wallet was paying. */
interface LeftBehind {
  readonly intent: string;
  readonly over: Promise<unknown>;
  isTaken: boolean;
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
  const leftBehind = new Set<LeftBehind>();
  const singles = new Set<string>();
  return {
    settled(intent, signal) {
      const over = running.get(intent);
      return over === undefined ? undefined : untilAborted(over.catch(throwDoubt), signal);
    },
    async run(intent, buy) {
      const { buying, over, isPaying } = start(buy);
      running.set(intent, over);
      try {
        return await buying;
      } finally {
        const leave = () => void running.delete(intent);
        if (isPaying()) void over.then(leave, leave);
        else leave();
      }
    },
    async runBeside(intent, buy) {
      const { buying, over, isPaying } = start(buy);
      try {
        return await buying;
      } finally {
        const left = { intent, over, isTaken: false };
        const leave = () => void leftBehind.delete(left);
        if (isPaying()) {
          leftBehind.add(left);
          void over.then(leave, leave);
        }
      }
    },
    takeOver(intent, signal) {
      const left = [...leftBehind].find((one) => one.intent === intent && !one.isTaken);
      if (left === undefined) return undefined;
      left.isTaken = true;
      return untilAborted(left.over.catch(throwDoubt), signal).finally(() => (left.isTaken = false));
    },
    noteSingle(intent) {
      singles.add(intent);
      if (singles.size > MOST_SINGLES) singles.delete(singles.values().next().value!);
    },
    isSingle: (intent) => singles.has(intent),
    busy: new Set(),
  };
}

/** Begins a purchase. It is over when its buyer is done or gone, and the wallet is done: that is how it ends for those who wait. */
function start<Value>(buy: Buy<Value>) {
  let paying: Promise<unknown> | undefined;
  let isPaying = false;
  const buying = buy((payment) => {
    const end = () => void (isPaying = false);
    [paying, isPaying] = [payment, true];
    void payment.then(end, end);
  });
  const over = buying.then(
    () => paying,
    () => paying,
  );
  // Perhaps nobody waits.
  over.catch(() => {});
  return { buying, over, isPaying: () => isPaying };
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
