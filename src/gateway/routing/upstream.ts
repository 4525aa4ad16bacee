/*
 * How a request goes on once it may: to which origin, under which path, with which fields of the seller's, how long it may
 * take and how large it may be. Compiled once at start, one for each route. Pure.
 */
import { type PathRewrite } from './path-rewrite.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type RequestFacts } from '../request/request-facts.ts';

export type OriginPlace =
  /** Scheme and authority; and a canonical path before every other, empty or without a slash at its end. */
  | { readonly kind: 'url'; readonly base: string; readonly prefix: string }
  /** What stands behind the Worker's own routes; only for these hosts, `*.` at the front for all below. */
  | { readonly kind: 'same_zone'; readonly hosts: readonly string[] }
  /** Another Worker, by the name of its binding. */
  | { readonly kind: 'service'; readonly binding: string };

export interface Upstream {
  readonly origin: OriginPlace;
  /** Nothing: the path goes on as it is. */
  readonly rewrite: PathRewrite | undefined;
  /** Set on the way to the origin; secrets among them. */
  readonly setHeaders: readonly (readonly [name: string, value: string])[];
  /** To the head of the origin's answer. */
  readonly timeoutSeconds: number;
  /** Nothing: as much as the platform takes. */
  readonly maxBodyBytes: number | undefined;
  /** What becomes of a counted call whose answer the origin breaks off. Released: its claim is held until the body has ended. */
  readonly brokenBody: 'counted' | 'released';
  /** Answers of the origin after which a call is given back, beside every 5xx. Redirects only where they lead to the same host. */
  readonly releaseStatuses: ReadonlySet<number>;
}

/** Names the host for which a gateway has sent a request to its own zone. `CDN-Loop` is the platform's, which guards it. */
export const LOOP_FIELD = 'x-l402-via';

/** Path and query as the origin gets them: put together from canonical parts, never resolved (M25). */
export function targetOf({ origin, rewrite }: Upstream, { path, query }: RequestFacts): string {
  const prefix = origin.kind === 'url' ? origin.prefix : '';
  return prefix + (rewrite === undefined ? path : rewrite(path)) + query;
}

/** The origin by a name of its own: what a breaker and a limit on calls at once are kept for. */
/** What calls at an origin share places by. Hosts of one wildcard are one: anybody can make such a host up (M41). */
export function namePlaces(upstream: Upstream, facts: Pick<RequestFacts, 'base' | 'host'>): string {
  const { origin } = upstream;
  if (origin.kind !== 'same_zone' || origin.hosts.includes(facts.host)) return nameOrigin(upstream, facts);
  return origin.hosts.find((host) => matchesHost(host, facts.host)) ?? nameOrigin(upstream, facts);
}

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

/** Begins the name of an origin behind a binding. */
export const SERVICE_NAME = 'service:';

/** Why this request cannot go on, whoever pays for it. Asked before an invoice exists. */
export function findObstacle(upstream: Upstream, facts: RequestFacts): GatewayRefusal | undefined {
  const { origin, maxBodyBytes } = upstream;
  const tooLarge = maxBodyBytes === undefined ? undefined : findLargeBody(upstream, Number(facts.headers.get('content-length') ?? 0));
  if (tooLarge !== undefined) return tooLarge;
  if (origin.kind !== 'same_zone') return undefined;
  // The address of the origin is what the client calls us: of other names nothing is known.
  if (!origin.hosts.some((host) => matchesHost(host, facts.host))) {
    return { code: 'route_unknown', detail: 'nothing is sold at this host' };
  }
  return facts.headers.get(LOOP_FIELD) === facts.host
    ? { code: 'loop_detected', detail: 'the request has been through this gateway already' }
    : undefined;
}

/** Why a body of this length is not taken. */
export function findLargeBody({ maxBodyBytes }: Upstream, length: number): GatewayRefusal | undefined {
  if (maxBodyBytes === undefined || length <= maxBodyBytes) return undefined;
  return { code: 'body_too_large', detail: `a body has at most ${maxBodyBytes} bytes here` };
}

function matchesHost(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}
