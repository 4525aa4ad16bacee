/*
 * Purchases in progress of calls that share a store: no call buys what another is buying, or uses up what another has bought
 * for itself (M47). Effects: memory of one process, freed with the store.
 */
import { type CredentialStore } from './credential-store.ts';
import { L402Error } from './error.ts';

/** Buys, and reports the payment that it waits for as soon as the wallet is called. */
export type Buy<Value> = (onPaying: (paying: Promise<unknown>) => void) => Promise<Value>;

export interface Purchases {
  /** Resolves when the purchase for this intent is over; `undefined`: there is none. Throws the error that left that purchase in doubt. */
  settled(intent: string, signal: AbortSignal | undefined): Promise<void> | undefined;
  /** Buys for an intent. All others with the same intent wait until the wallet is done, even if the buyer has left before. */
  run<Value>(intent: string, buy: Buy<Value>): Promise<Value>;
  /** Buys independently of others with the same intent, because each call uses up its own purchase. */
  runBeside<Value>(intent: string, buy: Buy<Value>): Promise<Value>;
  /** Like `settled`, for a purchase by `runBeside` whose buyer has left: one call at a time waits for it; if that call is aborted, the next may wait. */
  takeOver(intent: string, signal: AbortSignal | undefined): Promise<void> | undefined;
  /** Notes that a purchase for this intent is used up by its own call: each call buys its own. */
  noteSingle(intent: string): void;
  isSingle(intent: string): boolean;
  /** Credentials whose first use is in progress: no other call takes them. */
  readonly busy: Set<string>;
}

/** A purchase whose buyer has left while the wallet was paying. */
interface LeftBehind {
  readonly intent: string;
  readonly over: Promise<unknown>;
  isTaken: boolean;
}

const ofStores = new WeakMap<CredentialStore, Purchases>();
/** Most intents known to be single; the oldest is dropped first. */
const MOST_SINGLES = 1000;

/** Returns the purchases in progress for a store. */
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

/** Starts a purchase. It is over for those who wait once its buyer has finished or aborted, and the wallet has finished. */
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
  // There may be nobody waiting.
  over.catch(() => {});
  return { buying, over, isPaying: () => isPaying };
}

/** Rethrows a doubt: a caller that waited for a payment which may have been made must not make another. */
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
