/*
 * What the driver knows about every use of every payment, and what may be true of them after processes were killed. A use
 * that a client has seen answered, and behind which the same object has answered something else, is on disk: it counts,
 * for ever. What was cut off, or answered last of all before a kill, is in doubt: counted, or given back, and given
 * back three times a payment at most, all that was abandoned within a minute at a time (M10, M11). Pure but for its clock.
 */

/** Something with a limit: a payment, or a counter that a holder has put on it. */
export interface Account {
  readonly name: string;
  readonly limit: number;
  readonly uses: Use[];
  /** What a refusal said is left, or the most that can be left when it did not say. */
  left?: number;
  /** Whether the refusal told the number. */
  readonly isPayment: boolean;
}

/** `cut`: the connection ended without an answer. */
export type Ending = 'counted' | 'released' | 'refused' | 'cut';

export interface Use {
  /** The object that holds the claim. */
  readonly place: string;
  readonly sentAt: number;
  /** When that was. All leases are as long, so they end as far apart. */
  readonly sentAtMs: number;
  endedAt: number;
  ending: Ending | undefined;
  /** It was granted, or the origin would not have seen it. */
  isAtOrigin: boolean;
  /** The origin has done it. */
  isDone: boolean;
  /** No kill can undo it. */
  isDurable: boolean;
  readonly draws: readonly { readonly account: Account; readonly cost: number }[];
}

const FORGIVEN = 3;
export const ONE_EVENT_MS = 60_000;
/** From where a use is begun here to where its lease begins. */
const MOST_DELAY_MS = 10_000;

/** Keeps the book of one run. */
export function createLedger(clock: () => number = Date.now) {
  const accounts: Account[] = [];
  let life: Use[] = [];
  let time = 0;
  return {
    accounts,
    openAccount(account: Pick<Account, 'name' | 'limit' | 'isPayment'>): Account {
      const opened = { ...account, uses: [] };
      accounts.push(opened);
      return opened;
    },
    /** A request is about to be sent. */
    begin(place: string, draws: Use['draws']): Use {
      const use: Use = {
        place,
        sentAt: time++,
        sentAtMs: clock(),
        endedAt: Infinity,
        ending: undefined,
        isAtOrigin: false,
        isDone: false,
        isDurable: false,
        draws,
      };
      life.push(use);
      for (const { account } of draws) account.uses.push(use);
      return use;
    },
    end(use: Use, ending: Ending): void {
      use.endedAt = time++;
      use.ending = ending;
    },
    /** The process is gone and every use has ended. */
    kill(): void {
      markDurable(life);
      life = [];
    },
    /** The process lives on, long enough for every outcome to be written. */
    settle(): void {
      for (const use of life) use.isDurable = use.ending === 'counted';
      life = [];
    },
  };
}

export type Ledger = ReturnType<typeof createLedger>;

function markDurable(life: readonly Use[]): void {
  const lastSent = new Map<string, number>();
  for (const { place, sentAt, ending, isAtOrigin } of life) {
    const hasSpoken = isAtOrigin || (ending !== undefined && ending !== 'cut');
    if (hasSpoken) lastSent.set(place, Math.max(lastSent.get(place) ?? -1, sentAt));
  }
  for (const use of life) use.isDurable = use.ending === 'counted' && use.endedAt < (lastSent.get(use.place) ?? -1);
}

export interface Verdict {
  /** Accepted twice after the outcome was recorded, or beyond a limit. */
  readonly overspent: readonly string[];
  /** Paid for, gone, and never done. */
  readonly lost: readonly string[];
}

/** As many events as these uses can have been abandoned by. */
function countEvents(uses: readonly Use[]): number {
  let events = 0;
  let latestMs = -Infinity;
  for (const { sentAtMs } of uses.toSorted((one, other) => one.sentAtMs - other.sentAtMs)) {
    if (sentAtMs - latestMs < ONE_EVENT_MS - MOST_DELAY_MS) continue;
    events += 1;
    latestMs = sentAtMs;
  }
  return events;
}

/** Holds every account against what can have happened to it. */
export function judge(accounts: readonly Account[]): Verdict {
  const overspent: string[] = [];
  const lost: string[] = [];
  for (const account of accounts) {
    const { name, limit, uses, left, isPayment } = account;
    const costOf = ({ draws }: Use) => draws.find((draw) => draw.account === account)!.cost;
    const sum = (list: readonly Use[]) => list.reduce((total, use) => total + costOf(use), 0);
    const sentWithin = (list: readonly Use[], sinceMs: number) =>
      list.filter(({ sentAtMs }) => sentAtMs >= sinceMs && sentAtMs < sinceMs + ONE_EVENT_MS + MOST_DELAY_MS);
    // No more than the dearest minutes, of which as many are forgiven.
    const mostForgiven = (list: readonly Use[]) =>
      list
        .map(({ sentAtMs }) => sum(sentWithin(list, sentAtMs)))
        .toSorted((one, other) => other - one)
        .slice(0, FORGIVEN)
        .reduce((total, cost) => total + cost, 0);
    const counted = uses.filter(({ ending }) => ending === 'counted');
    const durable = counted.filter(({ isDurable }) => isDurable);
    const doubtful = counted.filter(({ isDurable }) => !isDurable);
    const cut = uses.filter(({ ending }) => ending === 'cut');
    const cutDone = cut.filter(({ isDone }) => isDone);
    const facts = `${name}: limit ${limit}, ${sum(counted)} answered (${sum(doubtful)} in doubt), ${cut.length} cut (${cutDone.length} done), left ${left}`;
    const isOver =
      sum(durable) > limit ||
      sum(counted) > limit + mostForgiven(doubtful) ||
      sum(counted) + sum(cutDone) > limit + mostForgiven([...doubtful, ...cutDone]);
    if (isOver) overspent.push(facts);
    if (left === undefined) continue;
    // Of a payment more than three events are not forgiven; a counter shares those of its payment.
    const payment = isPayment ? uses : (uses[0]?.draws[0]?.account.uses ?? []);
    const doubts = payment.filter(({ ending, isDurable }) => ending === 'cut' || (ending === 'counted' && !isDurable));
    const unforgiven = countEvents(doubts) > FORGIVEN ? sum(cut.filter(({ isDone }) => !isDone)) : 0;
    if (limit - left > sum(counted) + sum(cutDone) + unforgiven) lost.push(facts);
  }
  return { overspent, lost };
}
