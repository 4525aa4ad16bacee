/*
 * What one payment buys, and its text in the minter's caveats: `access=calls:100`. A token without this caveat buys one call.
 * The end is in `valid_until`, for every kind. Pure.
 */
import { MOST_CALLS, parseCount } from './caveat-values.ts';
import { parseMsat, type Msat } from './msat.ts';

export type Access =
  | { readonly kind: 'call' }
  | { readonly kind: 'calls'; readonly calls: number }
  | { readonly kind: 'pass'; readonly maxPerMinute?: number }
  | { readonly kind: 'credit'; readonly creditMsat: Msat };

/** The highest rate that a pass can be sold with. */
export const MOST_PER_MINUTE = 10_000;

/** What a token without an access caveat buys. */
export const ONE_CALL: Access = { kind: 'call' };

/** Reads the value of an access caveat. A single call has no text: it is the default without a caveat. */
export function parseAccess(text: string): Access | undefined {
  if (text === 'pass') return { kind: 'pass' };
  const border = text.indexOf(':');
  if (border < 0) return undefined;
  const amount = text.slice(border + 1);
  switch (text.slice(0, border)) {
    case 'calls': {
      const calls = parseCount(amount, MOST_CALLS);
      return calls === undefined ? undefined : { kind: 'calls', calls };
    }
    case 'pass': {
      const maxPerMinute = parseCount(amount, MOST_PER_MINUTE);
      return maxPerMinute === undefined ? undefined : { kind: 'pass', maxPerMinute };
    }
    case 'credit': {
      const creditMsat = parseMsat(amount);
      return creditMsat === undefined || creditMsat === 0n ? undefined : { kind: 'credit', creditMsat };
    }
    default:
      return undefined;
  }
}

/** Formats the value of the access caveat; `undefined` for a single call. Throws if the value could not be read back. */
export function formatAccess(access: Access): string | undefined {
  if (access.kind === 'call') return undefined;
  const text = describe(access);
  if (parseAccess(text)?.kind !== access.kind) {
    throw new RangeError(`access: 1 to ${MOST_CALLS} calls, 1 to ${MOST_PER_MINUTE} a minute, a credit of up to 21 million bitcoin`);
  }
  return text;
}

function describe(access: Exclude<Access, { kind: 'call' }>): string {
  switch (access.kind) {
    case 'calls':
      return `calls:${access.calls}`;
    case 'pass':
      return access.maxPerMinute === undefined ? 'pass' : `pass:${access.maxPerMinute}`;
    case 'credit':
      return `credit:${access.creditMsat}`;
  }
}
