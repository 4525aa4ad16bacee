/*
 * Header fields that choose the route of a request. priced-headers.ts checks that each occurs once, under its literal name,
 * and reaches the origin; this file checks that its value has no second reading (M26). Pure.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { readHeaders } from '../request/priced-headers.ts';
import { findNearValue } from './sold-values.ts';

/** Fields and the one value that each must have. */
export type HeaderConditions = ReadonlyMap<string, string>;

/** Returns the values of all fields in these conditions, or what is ambiguous about one. */
export function readConditions(headers: Headers, conditions: readonly HeaderConditions[]): Result<ReadonlyMap<string, string>, string> {
  if (conditions.length === 0) return accept(new Map());
  const wanted = conditions.flatMap((condition) => [...condition]);
  const read = readHeaders(
    headers,
    wanted.map(([name]) => name),
  );
  if (!read.ok) return read;
  const near = findNearValue(read.value, wanted);
  return near === undefined ? read : refuse(`the header ${near} has a value in another spelling than the one that is sold`);
}
