/*
 * Header fields that decide which route a request is on (M26). Each stands exactly once, under its literal name and with a
 * literal value: a second one, an underscore for a dash (CGI reads both as one), another case of a wanted value, or a mark
 * that the field ends at this hop would let the origin read another value than the one that was priced. Pure.
 */

/** Fields and the one value that each must have. */
export type HeaderConditions = ReadonlyMap<string, string>;

/** The first field of these conditions that an origin could read in another way than we do. */
export function findAmbiguousHeader(headers: Headers, conditions: readonly HeaderConditions[]): string | undefined {
  const wanted = conditions.flatMap((condition) => [...condition]);
  for (const present of headers.keys()) {
    if (!present.includes('_')) continue;
    const name = present.replaceAll('_', '-');
    if (wanted.some(([candidate]) => candidate === name)) return name;
  }
  const hops = headers.get('connection')?.toLowerCase() ?? '';
  const ambiguous = wanted.find(([name, value]) => {
    const given = headers.get(name);
    if (given === null) return false;
    // Lines of one name come joined by a comma; which of them an origin takes is its own affair.
    return given.includes(',') || hops.includes(name) || (given !== value && foldValue(given) === foldValue(value));
  });
  return ambiguous?.[0];
}

/** Whether a request has every field with its value. */
export function matchesHeaders(conditions: HeaderConditions, headers: Headers): boolean {
  for (const [name, value] of conditions) if (headers.get(name) !== value) return false;
  return true;
}

function foldValue(value: string): string {
  return value.normalize('NFKC').trim().toLowerCase();
}
