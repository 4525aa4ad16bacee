/*
 * The two outcomes of a check. A refusal is a value: the caller must handle it before it gets the result. Faults (a broken
 * disk, a bug) are thrown instead. Pure.
 */

export type Result<Value, Refusal> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly refusal: Refusal };

/** Wraps the value of a passed check. */
export function accept<Value>(value: Value): { readonly ok: true; readonly value: Value } {
  return { ok: true, value };
}

/** Wraps the reason of a failed check. */
export function refuse<Refusal>(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}
