/*
 * What one payment buys, and the text of it among the minter's caveats: `access=calls:100`. A token without one is good
 * for one call. When it ends stands in valid_until, whatever the kind. No effects.
 */
import { MOST_CALLS, parseCount } from './caveat-values.ts';
import { parseMsat, type Msat } from './msat.ts';

export type Access =
  | { readonly kind: 'call' }
  | { readonly kind: 'calls'; readonly calls: number }
  | { readonly kind: 'pass'; readonly maxPerMinute?: number }
  | { readonly kind: 'credit'; readonly creditMsat: Msat };

/** The fastest rate that a pass can be sold with. */
export const MOST_PER_MINUTE = 10_000;

/** What a token without an access caveat buys. */
export const ONE_CALL: Access = { kind: 'call' };

/** Reads the value of an access caveat. One call has no text: it is what is left when there is none. */
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

/** The value of the access caveat; nothing for one call. What would not read back is a fault of the caller. */
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
