/*
 * The two ways a check can end. A refusal is a value: the caller must look at it before it gets
 * the thing it asked for. Faults (a broken disk, a bug) are thrown instead and never come here.
 */

export type Result<Value, Refusal> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly refusal: Refusal };

/** The check passed. */
export function accept<Value>(value: Value): { readonly ok: true; readonly value: Value } {
  return { ok: true, value };
}

/** The check did not pass, and this is why. */
export function refuse<Refusal>(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}
