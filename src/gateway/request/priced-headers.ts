/*
 * Headers that decide a price (M26). Each stands exactly once and reaches the origin as it was priced: not under a second name
 * that a server takes for the same, and not as one that is left on the way. Pure.
 */
import { foldFieldName } from './field-name.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';

/** The values of the named headers, which are in lower case; those that are absent are not in the map. */
export function readHeaders(headers: Headers, names: readonly string[]): Result<ReadonlyMap<string, string>, string> {
  const values = new Map<string, string>();
  const hops = new Set((headers.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase()));
  for (const [sent, value] of headers) {
    const name = names.find((candidate) => candidate === foldFieldName(sent));
    if (name === undefined) continue;
    if (sent !== name) return refuse(`the header ${name} also stands under a name that a server may take for it`);
    // Forwarding drops what Connection names: the origin would see no header where one was priced.
    if (hops.has(name)) return refuse(`the header ${name} is named in Connection`);
    // The platform joins two headers with a comma: one with a comma may have been two.
    if (!/^[\u0020-\u002b\u002d-\u007e]*$/.test(value)) return refuse(`the header ${name} stands more than once, or is not plain text`);
    values.set(name, value);
  }
  return accept(values);
}
