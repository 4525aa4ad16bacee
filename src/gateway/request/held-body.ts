/*
 * A body that a price or a token depends on. A body that was sent to a pricing service, or to which a token is narrowed, has
 * been read and is forwarded from memory; it is never longer than what was examined (M26, M9). A body priced by its declared
 * length is streamed (sized-body.ts). How many bodies an isolate reads into memory at once, how long, and for whom, is
 * bounded (M32). Effects: reads bodies; memory.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Wait } from '../../ports.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';

export type HeldBody =
  /** Read; forward these bytes instead of the body of the request. */
  | { readonly kind: 'read'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Not read; forward at most this many bytes. */
  | { readonly kind: 'sized'; readonly bytes: number };

/** For whom a body is read. */
export interface BodyHolder {
  /** Each kind has its own places: strangers cannot take those of payers, the operator or the bridge (M22). */
  readonly kind: keyof typeof MOST_HELD;
  /** An address, or the payment hash of a proved token; `undefined` if the client is unknown. */
  readonly client: string | undefined;
  /** The address, if `client` is something else: a client with many payments still counts once. */
  readonly address?: string | undefined;
}

export type BodyOutcome = Result<Uint8Array<ArrayBuffer>, GatewayRefusal>;

/** The bodies that an isolate is reading. */
export interface HeldBodies {
  /** Reads a body of at most this many bytes. A longer one is abandoned at once. */
  readonly read: (request: Request, terms: { readonly most: number; readonly holder: BodyHolder }) => BodyOutcome | Promise<BodyOutcome>;
}

/** A client whose body takes longer is refused: earlier judgements must not become outdated (M32). */
export const LONGEST_READ_MS = 30_000;
/**
 * Most bodies read at once by an isolate, which has 128 MB in total: at most 1 MiB each for payers, 64 KiB for unpaid clients
 * (the most that a pricing service gets), 16 KiB for the bridge, 8 KiB for the operator.
 */
export const MOST_HELD = { paid: 24, unpaid: 64, bridge: 8, operator: 4 } as const;
/** Most of them for one client. */
export const MOST_HELD_OF_CLIENT = 4;
const FIRST_BUFFER_BYTES = 4096;
const RETRY_SECONDS = 1;

interface Reading {
  readonly holder: BodyHolder;
  readonly giveUp: (reason: GatewayRefusal) => void;
}

const TOO_SLOW: GatewayRefusal = {
  code: 'body_too_slow',
  detail: `the body is read before the call is let through, and had not come after ${LONGEST_READ_MS / 1000} seconds`,
};
const crowded = (detail: string): GatewayRefusal => ({ code: 'bodies_crowded', detail, retryAfterSeconds: RETRY_SECONDS });
const CROWDED_BY_CLIENT = crowded('this client has as many bodies read at once as it may');
const CROWDED_OUT = crowded('other bodies needed the place of this one, which was slow to come');

/** Creates the reader of bodies. */
export function createHeldBodies(wait: Wait): HeldBodies {
  /** In the order in which they began. */
  const readings = new Set<Reading>();
  return {
    read(request, { most, holder }) {
      const tooLarge = judgeLength(request, most);
      if (tooLarge !== undefined) return refuse(tooLarge);
      const source = request.body as ReadableStream<Uint8Array> | null;
      if (source === null) return accept(new Uint8Array());
      const [oldest, held] = findHeld(readings, holder);
      if (holder.client !== undefined && held.ofClient >= MOST_HELD_OF_CLIENT) return refuse(CROWDED_BY_CLIENT);
      // Evicts the oldest body of the holder with the most bodies, so a crowd of slow bodies does not delay a fast one.
      if (held.ofKind >= MOST_HELD[holder.kind]) oldest?.giveUp(CROWDED_OUT);
      const reader = source.getReader();
      let given: GatewayRefusal | undefined;
      const reading: Reading = {
        holder,
        giveUp(reason) {
          given ??= reason;
          readings.delete(reading);
          // A pending read ends here.
          void reader.cancel().catch(() => undefined);
        },
      };
      readings.add(reading);
      const done = new AbortController();
      void wait(LONGEST_READ_MS, done.signal).then(() => reading.giveUp(TOO_SLOW));
      return readParts(reader, most)
        .then((read) => (given === undefined ? read : refuse(given)))
        .finally(() => {
          readings.delete(reading);
          done.abort();
        });
    },
  };
}

function judgeLength({ headers }: Request, most: number): GatewayRefusal | undefined {
  return Number(headers.get('content-length') ?? '0') > most ? tooLargeFor(most) : undefined;
}

function tooLargeFor(most: number): GatewayRefusal {
  return { code: 'body_too_large', detail: `the body is read before the call is let through, and may have at most ${most} bytes` };
}

/** Counts the bodies being read for this kind and this holder, and finds the oldest of the holder with the most. */
function findHeld(readings: ReadonlySet<Reading>, { kind, client }: BodyHolder) {
  const held = { ofKind: 0, ofClient: 0 };
  const groups = new Map<string, { readonly oldest: Reading; count: number }>();
  let largest: { readonly oldest: Reading; count: number } | undefined;
  for (const reading of readings) {
    const { holder } = reading;
    if (holder.kind !== kind) continue;
    held.ofKind += 1;
    if (holder.client === client) held.ofClient += 1;
    const name = holder.address ?? holder.client ?? '';
    const group = groups.get(name) ?? { oldest: reading, count: 0 };
    group.count += 1;
    groups.set(name, group);
    if (largest === undefined || group.count > largest.count) largest = group;
  }
  return [largest?.oldest, held] as const;
}

/** Reads into one growing buffer: a client that sends single bytes must not cost an object per byte. */
async function readParts(reader: ReadableStreamDefaultReader<Uint8Array>, most: number): Promise<BodyOutcome> {
  let buffer = new Uint8Array(Math.min(FIRST_BUFFER_BYTES, most));
  let length = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const needed = length + part.value.byteLength;
      if (needed > most) {
        void reader.cancel().catch(() => undefined);
        return refuse(tooLargeFor(most));
      }
      if (needed > buffer.length) {
        const larger = new Uint8Array(Math.min(most, Math.max(needed, buffer.length * 2)));
        larger.set(buffer.subarray(0, length));
        buffer = larger;
      }
      buffer.set(part.value, length);
      length = needed;
    }
  } catch {
    return refuse({ code: 'price_input_invalid', detail: 'the body is read before the call is let through, and broke off' });
  }
  return accept(buffer.slice(0, length));
}
