/*
 * The counting caveats of a chain as counters. Each counter is keyed by the signature of the chain at its caveat: whoever
 * narrows a token gets a counter of their own, and all that descend from it share it (M7). How much is left is known
 * to whoever keeps the counters. No effects.
 */
import { type Caveat } from './caveat.ts';
import { parseCallLimit, parseMsatLimit, type CountLimit } from './caveat-values.ts';
import { type CredentialRefusal } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

export interface Counter {
  /** The signature at the caveat, 32 bytes. With it the caveats behind could be left out: never in a log. */
  readonly key: Uint8Array;
  readonly unit: 'calls' | 'msat';
  /** A safe integer. */
  readonly limit: number;
  /** Counted anew from the first instant of each month, UTC. None: never anew. */
  readonly period?: 'month';
}

/** Counters in one chain (M6). */
export const MOST_COUNTERS = 4;

interface Counting {
  readonly parse: (text: string) => CountLimit | undefined;
  readonly counter: Pick<Counter, 'unit' | 'period'>;
}

const COUNTING: ReadonlyMap<string, Counting> = new Map<string, Counting>([
  ['max_calls', { parse: parseCallLimit, counter: { unit: 'calls' } }],
  ['max_msat', { parse: parseMsatLimit, counter: { unit: 'msat' } }],
  ['max_msat_month', { parse: parseMsatLimit, counter: { unit: 'msat', period: 'month' } }],
]);

const NONE: readonly Counter[] = [];

/** Caveats of a proved token, each with the signature of the chain at it. */
export interface SignedCaveats {
  readonly caveats: readonly Caveat[];
  readonly signatures: readonly Uint8Array[];
}

/** Whether a caveat of this kind counts. */
export function isCounting(condition: string): boolean {
  return COUNTING.has(condition);
}

/** The counters of a chain, in its order; a call moves all of them or none. */
export function readCounters({ caveats, signatures }: SignedCaveats): Result<readonly Counter[], CredentialRefusal> {
  let counters: Counter[] | undefined;
  for (let index = 0; index < caveats.length; index++) {
    const { condition, value } = caveats[index]!;
    const counting = COUNTING.get(condition);
    if (counting === undefined) continue;
    const parsed = counting.parse(value);
    if (parsed === undefined) return refuse({ code: 'caveat_malformed', detail: `a ${condition} caveat does not parse` });
    counters ??= [];
    if (counters.length === MOST_COUNTERS) {
      return refuse({ code: 'counters_too_many', detail: `more than ${MOST_COUNTERS} counting caveats` });
    }
    counters.push({ key: signatures[index]!, limit: parsed.limit, ...counting.counter });
  }
  return accept(counters ?? NONE);
}
