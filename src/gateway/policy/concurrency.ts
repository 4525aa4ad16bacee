/*
 * How many calls this isolate has under way at an origin, and who waits for a place: those who have paid first, then first
 * come, first served, for a bounded time and in a bounded number. No payment and no client holds more than a quarter of the
 * places that others have left, or of the line, and no IPv6 /48 more than half (M41). A place that is never given back (a
 * Worker that was ended) is free again after its time. State of one isolate; no other effects than the timer it is given.
 */
import { type Clock, type Wait } from '../../ports.ts';
import { namesOf, type ClientFacts } from '../request/client-key.ts';

export interface ConcurrencyOptions {
  /** Most concurrent calls at one origin. */
  readonly most: number;
  /** Most calls waiting for a place at one origin, separately for paid and unpaid calls; further calls are refused at once. */
  readonly mostWaiting: number;
  readonly waitMs: number;
  /** No call holds its place for longer than this. */
  readonly placeMs: number;
  readonly clock: Clock;
  readonly wait: Wait;
}

/** Gives the place back. Idempotent. */
export type Leave = () => void;

/** Paid calls, and all others: free routes and free calls. */
export type Payers = 'paid' | 'unpaid';

export interface Caller {
  readonly who: Payers;
  /** The payment and the client, as far as known. */
  readonly holders: readonly string[];
  /** The IPv6 /48 of the client: it may change its /64 at will. */
  readonly network?: string | undefined;
  /** Aborted when the client is gone; this gives back its place, or its position in the queue. */
  readonly left?: AbortSignal | undefined;
}

export interface Concurrency {
  /** Returns a place at the origin; `undefined` if none became free in time. */
  readonly enter: (origin: string, caller: Caller) => Promise<Leave | undefined>;
}

interface Place extends Pick<Caller, 'who' | 'holders' | 'network'> {
  readonly endsAtMs: number;
}

interface Waiting {
  readonly caller: Caller;
  readonly resolve: (leave: Leave | undefined) => void;
}

interface Line {
  readonly places: Set<Place>;
  readonly waiting: Readonly<Record<Payers, Waiting[]>>;
}

/** A quarter of the places is reserved for paid calls: no crowd of unpaid calls can take them all (M22). */
const PAID_PART = 4;
/** What one payment or client may hold of the places that others have left, and of the line (M41): so the last are for newcomers. */
const HOLDER_PART = 4;
/** The same for one network, whose clients need not know each other. */
const NETWORK_PART = 2;

/** Creates the places at origins. */
export function createConcurrency({ most, mostWaiting, waitMs, placeMs, clock, wait }: ConcurrencyOptions): Concurrency {
  const lines = new Map<string, Line>();
  const hasRoom = (line: Line, caller: Caller): boolean => isRoomFor(line.places, caller, most);
  const take = (origin: string, line: Line, caller: Caller): Leave => {
    const { who, holders, network, left } = caller;
    const place: Place = { endsAtMs: clock() + placeMs, who, holders, network };
    line.places.add(place);
    const leave = () => {
      left?.removeEventListener('abort', leave);
      // A place whose time is over may have been taken by another call: then there is nothing to hand on.
      if (!line.places.delete(place)) return;
      letIn(origin, line);
      if (line.places.size === 0 && isNobodyWaiting(line)) lines.delete(origin);
    };
    left?.addEventListener('abort', leave, { once: true });
    return leave;
  };

  /** Lets in every waiting call that fits, paid calls first. */
  const letIn = (origin: string, line: Line): void => {
    for (const who of ['paid', 'unpaid'] as const) {
      const queue = line.waiting[who];
      for (let at = 0; at < queue.length && line.places.size < most;) {
        const { caller, resolve } = queue[at]!;
        if (hasRoom(line, caller)) {
          queue.splice(at, 1);
          resolve(take(origin, line, caller));
        } else at += 1;
      }
    }
  };

  return {
    async enter(origin, caller) {
      if (caller.left?.aborted === true) return undefined;
      const line = lines.get(origin) ?? { places: new Set(), waiting: { paid: [], unpaid: [] } };
      lines.set(origin, line);
      const queue = line.waiting[caller.who];
      if (!hasRoom(line, caller)) dropEnded(line, clock());
      // Queues behind those who wait, unless they wait only for their own share.
      if (hasRoom(line, caller) && !queue.some((other) => hasRoom(line, other.caller))) return take(origin, line, caller);
      if (!mayWait(queue, caller, mostWaiting)) return undefined;
      const done = new AbortController();
      const { promise, resolve } = Promise.withResolvers<Leave | undefined>();
      const waiting: Waiting = { caller, resolve };
      queue.push(waiting);
      const giveUp = () => {
        const index = queue.indexOf(waiting);
        if (index >= 0) queue.splice(index, 1);
        resolve(undefined);
      };
      void wait(waitMs, done.signal).then(giveUp);
      caller.left?.addEventListener('abort', giveUp, { once: true, signal: done.signal });
      // Places whose time is over go to the first in the queue.
      letIn(origin, line);
      const leave = await promise;
      done.abort();
      return leave;
    },
  };
}

/** Whether one more call may be under way. */
function isRoomFor(places: ReadonlySet<Place>, { who, holders, network }: Caller, most: number): boolean {
  const mostUnpaid = most === 1 ? 1 : most - Math.ceil(most / PAID_PART);
  const isBelow = (part: number, isOf: (place: Place) => boolean) => isBelowShare(part, most - places.size, countOf(places, isOf));
  return (
    places.size < most &&
    (who === 'paid' || countOf(places, (place) => place.who === 'unpaid') < mostUnpaid) &&
    holders.every((name) => isBelow(HOLDER_PART, (place) => place.holders.includes(name))) &&
    (network === undefined || isBelow(NETWORK_PART, (place) => place.network === network))
  );
}

/** Whether one more call may wait. */
function mayWait(queue: readonly Waiting[], { holders, network }: Caller, most: number): boolean {
  const isBelow = (part: number, isOf: (caller: Caller) => boolean) =>
    queue.filter(({ caller }) => isOf(caller)).length < Math.max(1, Math.floor(most / part));
  return (
    queue.length < most &&
    holders.every((name) => isBelow(HOLDER_PART, (caller) => caller.holders.includes(name))) &&
    (network === undefined || isBelow(NETWORK_PART, (caller) => caller.network === network))
  );
}

/** Whether a holder may take one more of what others have left. */
function isBelowShare(part: number, free: number, held: number): boolean {
  return held < Math.ceil((free + held) / part);
}

function countOf(places: ReadonlySet<Place>, isOf: (place: Place) => boolean): number {
  let count = 0;
  for (const place of places) if (isOf(place)) count += 1;
  return count;
}

function isNobodyWaiting({ waiting }: Line): boolean {
  return waiting.paid.length === 0 && waiting.unpaid.length === 0;
}

function dropEnded({ places }: Line, nowMs: number): void {
  for (const place of places) if (place.endsAtMs <= nowMs) places.delete(place);
}

/** Returns the holder of a place at an origin for a call without a payment. None if places are not limited. */
export function holdersOf(
  { client }: { readonly client: () => ClientFacts },
  { places }: { readonly places?: Concurrency | undefined },
): Pick<Caller, 'holders' | 'network'> {
  if (places === undefined) return { holders: [] };
  const { own, network } = namesOf(client());
  return { holders: own, network: network[0] };
}
