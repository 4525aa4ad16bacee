/*
 * What a price function or a pricing service learns about a request: plain frozen data, unambiguous (M26), in an order that
 * does not depend on how the client wrote it. Pure.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type FactNames, type PriceFacts } from './price.ts';
import { readHeaders } from '../request/priced-headers.ts';
import { readEveryParameter, readParameters } from '../request/query.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { splitPath } from '../routing/route-pattern.ts';

/** Returns the facts, or what is ambiguous about them. */
export function readPriceFacts(
  { method, host, path, query }: RequestFacts,
  { names, headers }: { names: FactNames; headers: Headers },
): Result<PriceFacts, GatewayRefusal> {
  const parameters = names.parameters === undefined ? readEveryParameter(query) : readParameters(query, names.parameters);
  if (!parameters.ok) return parameters;
  const fields = readHeaders(headers, names.headers);
  if (!fields.ok) return refuse({ code: 'header_ambiguous', detail: fields.refusal });
  const parts = splitPath(path);
  const facts: PriceFacts = {
    method: method === 'HEAD' ? 'GET' : method,
    host,
    path,
    pathParameters: freeze([...names.pathParts].map(([name, index]) => [name, decodeURIComponent(parts[index] ?? '')])),
    queryParameters: freeze([...parameters.value]),
    headers: freeze([...fields.value]),
  };
  return accept(Object.freeze(facts));
}

/** Freezes a record without a prototype: a parameter named `constructor` exists only if it was sent. */
function freeze(entries: readonly (readonly [string, string])[]): Readonly<Record<string, string>> {
  const record = Object.create(null) as Record<string, string>;
  for (const [name, value] of entries.toSorted(([left], [right]) => (left < right ? -1 : 1))) record[name] = value;
  return Object.freeze(record);
}
