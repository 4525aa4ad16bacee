/*
 * How many calls this isolate has under way at an origin, and who waits for a place: those who have paid first, then first
 * come, first served, for a bounded time and in a bounded number. A place that is never given back (a Worker that was ended) is free again after its time.
 * State of one isolate; no other effects than the timer it is given.
 */
import { type Clock, type Wait } from '../ports.ts';

export interface ConcurrencyOptions {
  /** Calls under way at one origin. */
  readonly most: number;
  /** Calls that wait for a place at one origin, of those who have paid and of those who have not; more are turned away at once. */
  readonly mostWaiting: number;
  readonly waitMs: number;
  /** No call holds its place for longer than this. */
  readonly placeMs: number;
  readonly clock: Clock;
  readonly wait: Wait;
}

/** Gives the place back; more than once does nothing more. */
export type Leave = () => void;

/** Those who have paid, and those who have not: free routes, calls that are given away. */
export type Payers = 'paid' | 'unpaid';

export interface Concurrency {
  /** A place at the origin, or nothing when none came free in time. */
  readonly enter: (origin: string, who: Payers) => Promise<Leave | undefined>;
}

interface Place {
  readonly endsAtMs: number;
  readonly who: Payers;
}

interface Line {
  readonly places: Set<Place>;
  readonly waiting: Readonly<Record<Payers, ((leave: Leave) => void)[]>>;
}

/** Of the places, a quarter are for those who have paid alone: no crowd that has not can take them all (M22). */
const PAID_PART = 4;

/** Places at origins. */
export function createConcurrency({ most, mostWaiting, waitMs, placeMs, clock, wait }: ConcurrencyOptions): Concurrency {
  const lines = new Map<string, Line>();
  const mostUnpaid = most === 1 ? 1 : most - Math.ceil(most / PAID_PART);

  const hasRoom = ({ places }: Line, who: Payers): boolean => places.size < most && (who === 'paid' || countUnpaid(places) < mostUnpaid);

  const take = (origin: string, line: Line, who: Payers): Leave => {
    const place: Place = { endsAtMs: clock() + placeMs, who };
    line.places.add(place);
    return () => {
      // A place that has run out may have been taken over: then there is nothing to hand on.
      if (!line.places.delete(place)) return;
      letIn(origin, line);
      if (line.places.size === 0) lines.delete(origin);
    };
  };

  /** Whoever waits and has room, those who have paid first. */
  const letIn = (origin: string, line: Line): void => {
    for (const who of ['paid', 'unpaid'] as const) {
      while (line.waiting[who].length > 0 && hasRoom(line, who)) line.waiting[who].shift()!(take(origin, line, who));
    }
  };

  return {
    async enter(origin, who) {
      const line = lines.get(origin) ?? { places: new Set(), waiting: { paid: [], unpaid: [] } };
      lines.set(origin, line);
      const waiting = line.waiting[who];
      if (!hasRoom(line, who)) dropEnded(line, clock());
      if (hasRoom(line, who) && waiting.length === 0) return take(origin, line, who);
      if (waiting.length >= mostWaiting) return undefined;
      const done = new AbortController();
      const { promise, resolve } = Promise.withResolvers<Leave | undefined>();
      waiting.push(resolve);
      const giveUp = () => {
        const index = waiting.indexOf(resolve);
        if (index >= 0) waiting.splice(index, 1);
        resolve(undefined);
      };
      void wait(waitMs, done.signal).then(giveUp);
      // Whoever waits although there is room does so behind others: places that have run out go to the first of them.
      letIn(origin, line);
      const leave = await promise;
      done.abort();
      return leave;
    },
  };
}

function countUnpaid(places: ReadonlySet<Place>): number {
  let count = 0;
  for (const { who } of places) if (who === 'unpaid') count += 1;
  return count;
}

function dropEnded({ places }: Line, nowMs: number): void {
  for (const place of places) if (place.endsAtMs <= nowMs) places.delete(place);
}
