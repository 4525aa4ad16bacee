/*
 * Caveats: `condition=value`, who wrote them, and whether a chain of them lets a request through. What each kind means
 * stands in the registry (caveat-kinds.ts). No effects.
 */
import { decodeLatin1 } from './bytes.ts';
import { caveatKind, type CaveatFacts } from './caveat-kinds.ts';
import { type CredentialRefusal } from './refusal.ts';

/** Who wrote a caveat: the gateway that sold the token, or someone who held it. Only the first can set terms (M1). */
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

/** Every caveat is satisfied, and each only narrows the one of its kind before it. */
export function judgeCaveats(caveats: readonly Caveat[], facts: CaveatFacts): CredentialRefusal | undefined {
  // What lengthens the minter's end does not lengthen a holder's (M38).
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

/** The value of the nearest caveat before this one with the same condition. Chains are short: no map is worth its making. */
function findBefore(caveats: readonly Caveat[], index: number): string | undefined {
  const { condition } = caveats[index]!;
  for (let at = index - 1; at >= 0; at--) {
    const earlier = caveats[at]!;
    if (earlier.condition === condition) return earlier.value;
  }
  return undefined;
}

/** The text of a caveat. */
export function formatCaveat(condition: string, value: string): string {
  return `${condition}=${value}`;
}
