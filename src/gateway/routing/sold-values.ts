/*
 * Values that decide which route a request is on, of parameters and of header fields alike: each has one spelling (M42). An
 * origin that trims, ignores case or reads numbers would take `DEAR` or `expensive%20` for what is sold as `expensive`, while here they
 * would be on the cheap route behind it. Pure.
 */

/** A name and the value that it must have. */
export type SoldValue = readonly [name: string, value: string];

/** The name of a given value that is none of those that are sold, and which an origin could read as one of them. */
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
 * What lenient origins make of a value: full-width letters are plain ones, case and accents are nothing (as in the collations of
 * databases), nor are blanks, controls and invisible characters at its ends; `01` and `1.0` are the number 1 (as in PHP's `==`).
 */
export function foldValue(value: string): string {
  const bare = trimBlanks(value.normalize('NFKD').replace(/\p{M}/gu, '')).toLowerCase();
  return bare.length <= LONGEST_NUMBER && NUMBER.test(bare) ? String(Number(bare)) : bare;
}

/** By hand: an expression for the end of a text tries at each of many thousand blanks in it. */
function trimBlanks(text: string): string {
  const letters = [...text];
  let [start, end] = [0, letters.length];
  while (start < end && BLANK.test(letters[start]!)) start += 1;
  while (end > start && BLANK.test(letters[end - 1]!)) end -= 1;
  return letters.slice(start, end).join('');
}
