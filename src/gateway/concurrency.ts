/*
 * How many calls this isolate has under way at an origin, and who waits for a place: first come, first served, for a bounded
 * time and in a bounded number. A place that is never given back (a Worker that was ended) is free again after its time.
 * State of one isolate; no other effects than the timer it is given.
 */
import { type Clock, type Wait } from '../ports.ts';

export interface ConcurrencyOptions {
  /** Calls under way at one origin. */
  readonly most: number;
  /** Calls that wait for a place at one origin; more are turned away at once. */
  readonly mostWaiting: number;
  readonly waitMs: number;
  /** No call holds its place for longer than this. */
  readonly placeMs: number;
  readonly clock: Clock;
  readonly wait: Wait;
}

/** Gives the place back; more than once does nothing more. */
export type Leave = () => void;

export interface Concurrency {
  /** A place at the origin, or nothing when none came free in time. */
  readonly enter: (origin: string) => Promise<Leave | undefined>;
}

interface Place {
  readonly endsAtMs: number;
}

interface Line {
  readonly places: Set<Place>;
  readonly waiting: ((leave: Leave) => void)[];
}

/** Places at origins. */
export function createConcurrency({ most, mostWaiting, waitMs, placeMs, clock, wait }: ConcurrencyOptions): Concurrency {
  const lines = new Map<string, Line>();

  const take = (line: Line): Leave => {
    const place: Place = { endsAtMs: clock() + placeMs };
    line.places.add(place);
    return () => {
      // A place that has run out may have been taken over: then there is nothing to hand on.
      if (!line.places.delete(place)) return;
      line.waiting.shift()?.(take(line));
    };
  };

  return {
    async enter(origin) {
      const line = lines.get(origin) ?? { places: new Set(), waiting: [] };
      lines.set(origin, line);
      if (line.places.size >= most) dropEnded(line, clock());
      if (line.places.size < most && line.waiting.length === 0) return take(line);
      if (line.waiting.length >= mostWaiting) return undefined;
      const done = new AbortController();
      const { promise, resolve } = Promise.withResolvers<Leave | undefined>();
      line.waiting.push(resolve);
      const giveUp = () => {
        const index = line.waiting.indexOf(resolve);
        if (index >= 0) line.waiting.splice(index, 1);
        resolve(undefined);
      };
      void wait(waitMs, done.signal).then(giveUp);
      // Whoever waits although there is room does so behind others: places that have run out go to the first of them.
      while (line.places.size < most && line.waiting.length > 0) line.waiting.shift()!(take(line));
      const leave = await promise;
      done.abort();
      return leave;
    },
  };
}

function dropEnded({ places }: Line, nowMs: number): void {
  for (const place of places) if (place.endsAtMs <= nowMs) places.delete(place);
}
