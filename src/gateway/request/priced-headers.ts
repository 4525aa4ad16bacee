/*
 * Headers that decide a price (M26). Each must occur exactly once and reach the origin as it was priced: not under a second
 * name that a server treats as the same, and not as one that is dropped on the way. Pure.
 */
import { foldFieldName } from './field-name.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';

/** Returns the values of the named lower-case headers; absent headers are not in the map. */
export function readHeaders(headers: Headers, names: readonly string[]): Result<ReadonlyMap<string, string>, string> {
  const values = new Map<string, string>();
  const hops = new Set((headers.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase()));
  for (const [sent, value] of headers) {
    const name = names.find((candidate) => candidate === foldFieldName(sent));
    if (name === undefined) continue;
    if (sent !== name) return refuse(`the header ${name} also stands under a name that a server may take for it`);
    // Fields named in Connection are dropped: the origin would not see a header that was priced.
    if (hops.has(name)) return refuse(`the header ${name} is named in Connection`);
    // The platform joins repeated headers with a comma: a value with a comma may have been two.
    if (!/^[\u0020-\u002b\u002d-\u007e]*$/.test(value)) return refuse(`the header ${name} stands more than once, or is not plain text`);
    values.set(name, value);
  }
  return accept(values);
}
