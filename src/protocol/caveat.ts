/*
 * Caveats: `condition=value`, their authors, and whether a chain of them lets a request through. The registry
 * (caveat-kinds.ts) defines each kind. Pure.
 */
import { decodeLatin1 } from './bytes.ts';
import { caveatKind, type CaveatFacts } from './caveat-kinds.ts';
import { type CredentialRefusal } from './refusal.ts';

/** The author of a caveat: the gateway that sold the token, or a holder. Only the gateway can set terms (M1). */
export type CaveatAuthor = 'minter' | 'holder';

export interface Caveat {
  readonly condition: string;
  readonly value: string;
  readonly author: CaveatAuthor;
}

/** Splits at the first `=`; text without one is a condition with an empty value. Nothing is trimmed. */
export function decodeCaveat(bytes: Uint8Array, author: CaveatAuthor): Caveat {
  const text = decodeLatin1(bytes);
  const border = text.indexOf('=');
  return border < 0 ? { condition: text, value: '', author } : { condition: text.slice(0, border), value: text.slice(border + 1), author };
}

/** Checks that every caveat is satisfied and only narrows the previous one of its kind. */
export function judgeCaveats(caveats: readonly Caveat[], facts: CaveatFacts): CredentialRefusal | undefined {
  // An extension of the minter's end does not extend a holder's (M38).
  const holdersFacts = facts.extendedBySeconds === undefined || facts.extendedBySeconds === 0 ? facts : { ...facts, extendedBySeconds: 0 };
  for (let index = 0; index < caveats.length; index++) {
    const { condition, value, author } = caveats[index]!;
    const kind = caveatKind(condition, facts.service);
    if (kind === undefined) continue;
    const refusal = kind.satisfied(value, author === 'minter' ? facts : holdersFacts);
    if (refusal !== undefined) return refusal;
    const before = findBefore(caveats, index);
    if (before === undefined ? kind.isTerm && author === 'holder' : !kind.narrows(before, value)) {
      return { code: 'caveat_widens', detail: 'a later caveat allows more than an earlier one' };
    }
  }
  return undefined;
}

/** Returns the value of the nearest earlier caveat with the same condition. Chains are too short to need a map. */
function findBefore(caveats: readonly Caveat[], index: number): string | undefined {
  const { condition } = caveats[index]!;
  for (let at = index - 1; at >= 0; at--) {
    const earlier = caveats[at]!;
    if (earlier.condition === condition) return earlier.value;
  }
  return undefined;
}

/** Formats a caveat. */
export function formatCaveat(condition: string, value: string): string {
  return `${condition}=${value}`;
}
