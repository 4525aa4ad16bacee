/*
 * Values of parameters and header fields that choose the route of a request: each has one spelling (M42). An origin that
 * trims, ignores case or parses numbers would read `DEAR` or `expensive%20` as the sold value `expensive`, while this gateway
 * would put the request on the cheap route behind it. Pure.
 */

/** A name and its required value. */
export type SoldValue = readonly [name: string, value: string];

/** Returns the name of a given value that is not a sold one but that an origin could read as one. */
export function findNearValue(given: ReadonlyMap<string, string>, sold: readonly SoldValue[]): string | undefined {
  for (const [name, value] of given) {
    const wanted = sold.filter(([soldName]) => soldName === name).map(([, soldValue]) => soldValue);
    if (wanted.length === 0 || wanted.includes(value)) continue;
    const folded = foldValue(value);
    if (wanted.some((soldValue) => foldValue(soldValue) === folded)) return name;
  }
  return undefined;
}

const BLANK = /[\p{Z}\p{C}]/u;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?$/;
const LONGEST_NUMBER = 32;

/**
 * Folds a value as lenient origins do: full-width letters become plain ones; case and accents are ignored (as in database
 * collations), as are blanks, controls and invisible characters at both ends; `01` and `1.0` become the number 1 (as with
 * PHP's `==`).
 */
export function foldValue(value: string): string {
  const bare = trimBlanks(value.normalize('NFKD').replace(/\p{M}/gu, '')).toLowerCase();
  return bare.length <= LONGEST_NUMBER && NUMBER.test(bare) ? String(Number(bare)) : bare;
}

/** Trims blanks. No regex: it would retry at each of many thousand blanks. */
function trimBlanks(text: string): string {
  const letters = [...text];
  let [start, end] = [0, letters.length];
  while (start < end && BLANK.test(letters[start]!)) start += 1;
  while (end > start && BLANK.test(letters[end - 1]!)) end -= 1;
  return letters.slice(start, end).join('');
}
