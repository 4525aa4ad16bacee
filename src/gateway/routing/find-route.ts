/*
 * Finds the route of a request. The first match wins; without a match nothing is sold and nothing is forwarded. Pure.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { readParameters } from '../request/query.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { type Route, type RouteTable } from '../route.ts';
import { readConditions } from './header-match.ts';
import { foldPath } from './path.ts';
import { coversPattern, matchesMethod, matchesPath, splitPath } from './route-pattern.ts';
import { findNearValue } from './sold-values.ts';

/** Compiles the route table. */
export function compileRoutes(routes: readonly Route[]): RouteTable {
  return { routes, parameterNames: [...new Set(routes.flatMap(({ parameters }) => [...parameters.keys()]))] };
}

/** Returns the route of a request; refuses if there is none, or if the request could be read as being on another. */
export function findRoute({ routes, parameterNames }: RouteTable, facts: RequestFacts): Result<Route, GatewayRefusal> {
  const parts = splitPath(facts.path);
  const foldedParts = splitPath(foldPath(facts.path));
  const near = routes.filter(
    ({ pattern, host }) =>
      matchesMethod(pattern, facts.method) &&
      (host === undefined || host === facts.host) &&
      (matchesPath(pattern.exact, parts) || matchesPath(pattern.folded, foldedParts)),
  );
  const values = readValues(near, { query: facts.query, names: parameterNames });
  if (!values.ok) return values;
  const conditions = near.flatMap(({ headers }) => (headers.size > 0 ? [headers] : []));
  const fields = readConditions(facts.headers, conditions);
  if (!fields.ok) return refuse({ code: 'header_ambiguous', detail: fields.refusal });
  const open = near.filter(({ parameters, headers }) => hasAll(values.value, parameters) && hasAll(fields.value, headers));
  const route = open.find(({ pattern }) => matchesPath(pattern.exact, parts));
  const lenient = open.find(({ pattern }) => matchesPath(pattern.folded, foldedParts));
  // An origin that ignores case or a trailing slash would serve another route's answer than the priced one.
  if (route !== lenient) return refuse({ code: 'path_ambiguous', detail: 'another spelling of this path is another route' });
  if (route === undefined) return refuse({ code: 'route_unknown', detail: 'nothing is sold at this method, host and path' });
  return accept(route);
}

const NO_VALUES: Result<ReadonlyMap<string, string>, GatewayRefusal> = accept(new Map());

/** Reads the values of parameters that choose between routes; each must be in the sold spelling, or not resemble it (M42). */
function readValues(near: readonly Route[], { query, names }: { query: string; names: readonly string[] }): typeof NO_VALUES {
  if (!near.some(({ parameters }) => parameters.size > 0)) return NO_VALUES;
  const values = readParameters(query, names);
  if (!values.ok) return values;
  const misspelled = findNearValue(
    values.value,
    near.flatMap(({ parameters }) => [...parameters]),
  );
  if (misspelled === undefined) return values;
  return refuse({ code: 'parameter_ambiguous', detail: `the value of ${misspelled} has another spelling than the one that is sold` });
}

function hasAll(given: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): boolean {
  for (const [name, value] of wanted) if (given.get(name) !== value) return false;
  return true;
}

/** Describes a route by what it matches: the same text for the same requests, wherever the route is in the list. */
export function describeRoute({ match, host, parameters, headers }: Pick<Route, 'match' | 'host' | 'parameters' | 'headers'>): string {
  const sorted = (pairs: ReadonlyMap<string, string>) => [...pairs].toSorted(([left], [right]) => (left < right ? -1 : 1));
  // A route without headers adds nothing: existing tokens refer to it by this text.
  return JSON.stringify([match, host ?? '*', sorted(parameters), ...(headers.size > 0 ? [sorted(headers)] : [])]);
}

/** Finds routes behind an earlier one that matches everything they match. */
export function findUnreachable({ routes }: RouteTable): readonly { readonly match: string; readonly coveredBy: string }[] {
  return routes.flatMap((later, index) => {
    const earlier = routes
      .slice(0, index)
      .find(
        (candidate) =>
          coversPattern(candidate.pattern, later.pattern) &&
          (candidate.host === undefined || candidate.host === later.host) &&
          hasAll(later.parameters, candidate.parameters) &&
          hasAll(later.headers, candidate.headers),
      );
    return earlier === undefined ? [] : [{ match: later.match, coveredBy: earlier.match }];
  });
}
