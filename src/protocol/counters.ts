/*
 * The counting caveats of a chain, as counters. A counter's key is the signature of the chain at its caveat: each holder who
 * narrows a token gets a separate counter, shared by all tokens derived from it (M7). The claim store knows how much is left.
 * Pure.
 */
import { type Caveat } from './caveat.ts';
import { parseCallLimit, parseMsatLimit, type CountLimit } from './caveat-values.ts';
import { type CredentialRefusal } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

export interface Counter {
  /** The signature at the caveat, 32 bytes. It allows the later caveats to be dropped: never log it. */
  readonly key: Uint8Array;
  readonly unit: 'calls' | 'msat';
  /** A safe integer. */
  readonly limit: number;
  /** The counter resets at the first instant of each month, UTC. `undefined`: never. */
  readonly period?: 'month';
}

/** Most counters in one chain (M6). */
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

/** Whether caveats of this kind count. */
export function isCounting(condition: string): boolean {
  return COUNTING.has(condition);
}

/** Returns the counters of a chain, in its order; a call draws on all of them or none. */
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
