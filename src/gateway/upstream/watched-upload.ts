/*
 * The body of a paid request on its way to the origin, watched: when a call fails, it must be known which side it waited
 * for. The origin is to blame only while it does not accept what the client has sent (M40). Effects: streams, a timer, the
 * clock.
 */
import { type Clock, type Wait } from '../../ports.ts';

export interface WatchedUpload {
  readonly body: ReadableStream<Uint8Array>;
  /** Cuts the request off. If a body of unknown length merely fails, the platform ends it as if it were complete. */
  readonly signal: AbortSignal;
  /** Whether the origin has received the whole body. */
  readonly isDone: () => boolean;
  /** Whether the client has been slow for long and the origin has not: the origin may have given up on the client. */
  readonly isTrickling: () => boolean;
  /** Whether the client sent next to nothing for so long that a failure is its fault. */
  readonly isTooSlow: () => boolean;
  /** For how long the client was waited for. */
  readonly clientMs: () => number;
  /** Who is to blame if the origin takes too long. */
  readonly blameForDelay: () => Blame;
  /** Who is to blame if the connection to the origin fails. */
  readonly blameForFailure: (wait: Wait) => Promise<Blame>;
}

/**
 * `nobody`: the origin has received none of the body, so it has done no work; the client may still send it.
 * `unclear`: the client was still sending, slowly, and the origin may have given up on it. The use is released, and nobody votes.
 */
export type Blame = 'origin' | 'client' | 'nobody' | 'unclear';

/** An origin that breaks off sooner than this has not given up on a slow client. */
export const PATIENCE_MS = 1000;
/**
 * The part of the origin's time that a client may take: of the time limit, for its whole upload; of the time until the origin
 * fails, for parts that come too slowly.
 */
export const CLIENTS_PART = 0.25;
/** A client that means to send its body is faster, even over a poor line; one that only keeps the call open is slower. */
const SLOW_BYTES_PER_SECOND = 1024;
/** After the origin breaks off, a client that is still sending delivers another part within this time. */
export const SIGN_OF_LIFE_MS = 1000;

/** Watches an upload. `length`: what the origin is told; `undefined`: unknown. */
export function watchUpload(
  source: ReadableStream<Uint8Array>,
  { length, clock }: { length: number | undefined; clock: Clock },
): WatchedUpload {
  const { readable, writable } = length === undefined ? new IdentityTransformStream() : new FixedLengthStream(length);
  const stop = new AbortController();
  const from = source.getReader();
  const to = writable.getWriter();
  const waits = openWaits(clock);
  let isBroken = false;
  let reading: Promise<unknown> = Promise.resolve(undefined);

  const copy = async (): Promise<void> => {
    for (;;) {
      waits.turnTo('client');
      const next = from.read().catch(() => undefined);
      reading = next;
      const part = await next;
      waits.turnTo('origin', part?.value?.byteLength);
      if (part === undefined) return breakOff();
      try {
        await (part.done ? to.close() : to.write(part.value));
      } catch {
        // Ended before its length: the client broke off. Otherwise the origin accepts no more.
        if (part.done) breakOff();
        else void from.cancel().catch(() => undefined);
        return;
      }
      if (part.done) return waits.turnTo('nobody');
    }
  };
  const breakOff = (): void => {
    isBroken = true;
    stop.abort(new Error('the client broke its upload off'));
    void to.abort(new Error('the client broke its upload off')).catch(() => undefined);
  };
  void copy();

  return {
    body: readable,
    signal: stop.signal,
    isDone: () => waits.party() === 'nobody',
    isTrickling: waits.isTrickling,
    isTooSlow: waits.isTooSlow,
    clientMs: waits.clientMs,
    blameForDelay: () => (isBroken || waits.party() === 'client' ? 'client' : 'origin'),
    async blameForFailure(wait) {
      if (isBroken || waits.isTooSlow()) return 'client';
      if (waits.party() !== 'client') return waits.isTrickling() ? 'unclear' : 'origin';
      const wasTrickling = waits.isTrickling();
      const over = new AbortController();
      const next = await Promise.race([reading, wait(SIGN_OF_LIFE_MS, over.signal)]);
      over.abort();
      if (next !== undefined) return wasTrickling ? 'unclear' : 'origin';
      return waits.hasBegun() ? 'client' : 'nobody';
    },
  };
}

/** The party that an upload waits for; `nobody`: it has ended. */
type Party = 'client' | 'origin' | 'nobody';

/** Tracks which side the upload waits for, how long it has waited for the client, and how much of that the client was too slow. */
function openWaits(clock: Clock) {
  let party: Party = 'client';
  let sinceMs = clock();
  let endedMs = 0;
  let endedSlowMs = 0;
  let begunMs: number | undefined;
  const waitedMs = (): number => (party === 'client' ? clock() - sinceMs : 0);
  const clientMs = (): number => endedMs + waitedMs();
  // Before its first part the origin has nothing to work on.
  const slowMs = (bytes: number): number =>
    endedSlowMs + (begunMs !== undefined && bytes * 1000 < SLOW_BYTES_PER_SECOND * waitedMs() ? waitedMs() : 0);
  return {
    party: (): Party => party,
    hasBegun: (): boolean => begunMs !== undefined,
    /** `bytes`: what was received in the wait that ends. */
    turnTo(next: Party, bytes = 0): void {
      endedMs = clientMs();
      endedSlowMs = slowMs(bytes);
      party = next;
      sinceMs = clock();
      if (bytes > 0) begunMs ??= sinceMs;
    },
    clientMs,
    isTrickling: (): boolean => party !== 'nobody' && clientMs() >= PATIENCE_MS && (party === 'client' || clock() - sinceMs < PATIENCE_MS),
    isTooSlow: (): boolean => begunMs !== undefined && slowMs(0) >= PATIENCE_MS && slowMs(0) > CLIENTS_PART * (clock() - begunMs),
  };
}
