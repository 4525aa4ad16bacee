/*
 * How a request is forwarded: to which origin, under which path, with which of the seller's fields, its time limit and its
 * size limit. Compiled once at start, one per route. Pure.
 */
import { type PathRewrite } from './path-rewrite.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type RequestFacts } from '../request/request-facts.ts';

export type OriginPlace =
  /** Scheme and authority; and a canonical path prefix, empty or without a trailing slash. */
  | { readonly kind: 'url'; readonly base: string; readonly prefix: string }
  /** The origin behind the Worker's own routes; only for these hosts. A leading `*.` covers all subdomains. */
  | { readonly kind: 'same_zone'; readonly hosts: readonly string[] }
  /** Another Worker, by the name of its binding. */
  | { readonly kind: 'service'; readonly binding: string };

export interface Upstream {
  readonly origin: OriginPlace;
  /** `undefined`: the path is forwarded unchanged. */
  readonly rewrite: PathRewrite | undefined;
  /** Set on requests to the origin; may contain secrets. */
  readonly setHeaders: readonly (readonly [name: string, value: string])[];
  /** Time limit for the head of the origin's response. */
  readonly timeoutSeconds: number;
  /** `undefined`: the platform's limit. */
  readonly maxBodyBytes: number | undefined;
  /** What happens to a counted call whose response the origin breaks off. `released`: its claim is held until the body has ended. */
  readonly brokenBody: 'counted' | 'released';
  /** Origin statuses after which a call is given back, besides every 5xx. Redirects only if they lead to the same host. */
  readonly releaseStatuses: ReadonlySet<number>;
}

/** Names the host for which a gateway has sent a request to its own zone. `CDN-Loop` is reserved by the platform. */
export const LOOP_FIELD = 'x-l402-via';

/** Returns path and query for the origin, composed of canonical parts and never resolved (M25). */
export function targetOf({ origin, rewrite }: Upstream, { path, query }: RequestFacts): string {
  const prefix = origin.kind === 'url' ? origin.prefix : '';
  return prefix + (rewrite === undefined ? path : rewrite(path)) + query;
}

/** Returns the name by which concurrent calls share places. Hosts of one wildcard share one: anybody can invent such hosts (M41). */
export function namePlaces(upstream: Upstream, facts: Pick<RequestFacts, 'base' | 'host'>): string {
  const { origin } = upstream;
  if (origin.kind !== 'same_zone' || origin.hosts.includes(facts.host)) return nameOrigin(upstream, facts);
  return origin.hosts.find((host) => matchesHost(host, facts.host)) ?? nameOrigin(upstream, facts);
}

/** Returns the name of an origin, by which its breaker and its concurrency limit are kept. */
export function nameOrigin({ origin }: Upstream, { base }: Pick<RequestFacts, 'base'>): string {
  switch (origin.kind) {
    case 'url':
      return origin.base + origin.prefix;
    case 'same_zone':
      return base;
    case 'service':
      return `${SERVICE_NAME}${origin.binding}`;
  }
}

/** Prefix of the name of an origin behind a binding. */
export const SERVICE_NAME = 'service:';

/** Returns why this request cannot be forwarded, paid or not. Checked before an invoice exists. */
export function findObstacle(upstream: Upstream, facts: RequestFacts): GatewayRefusal | undefined {
  const { origin, maxBodyBytes } = upstream;
  const tooLarge = maxBodyBytes === undefined ? undefined : findLargeBody(upstream, Number(facts.headers.get('content-length') ?? 0));
  if (tooLarge !== undefined) return tooLarge;
  if (origin.kind !== 'same_zone') return undefined;
  // The origin's address is the host that the client used: nothing is known about other hosts.
  if (!origin.hosts.some((host) => matchesHost(host, facts.host))) {
    return { code: 'route_unknown', detail: 'nothing is sold at this host' };
  }
  return facts.headers.get(LOOP_FIELD) === facts.host
    ? { code: 'loop_detected', detail: 'the request has been through this gateway already' }
    : undefined;
}

/** Returns why a body of this length is refused. */
export function findLargeBody({ maxBodyBytes }: Upstream, length: number): GatewayRefusal | undefined {
  if (maxBodyBytes === undefined || length <= maxBodyBytes) return undefined;
  return { code: 'body_too_large', detail: `a body has at most ${maxBodyBytes} bytes here` };
}

function matchesHost(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}
