/*
 * How a route's requests are forwarded, as written in the configuration: origin, path, fields, limits. A secret is named here
 * and read from the Worker's secrets at start; its value is in no message. Pure.
 */
import * as z from 'zod/mini';
import { leaseSecondsOf } from '#gateway/payment/lease.ts';
import { type OriginPlace, type Upstream } from '#gateway/routing/upstream.ts';
import { compileRewrite, compileStrip, type PathRewrite } from '#gateway/routing/path-rewrite.ts';
import { canonicalizePath } from '#protocol/canonical-path.ts';
import { isForwarded, isSettable } from '#gateway/request/forwarded-headers.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { whole } from './numbers.ts';

/** 5 GB, the most that any plan of the platform accepts. */
const LARGEST_BODY_BYTES = 5_368_709_120;
const HEADER_NAME = /^[a-z0-9-]{1,64}$/;
/** Printable, without a blank at either end. A comma would make one value look like two. */
const HEADER_VALUE = /^[\u0021-\u007e]([\u0020-\u007e]{0,4094}[\u0021-\u007e])?$/;
const SINGLE_VALUE = /^(?!.*,)/;
const MOST_RELEASE_STATUSES = 200;
/** The seller's fault, not the payer's: internal redirects, the seller's own credentials or limits. */
const DEFAULT_RELEASE_STATUSES = [301, 302, 303, 307, 308, 401, 402, 403, 407, 429];
/** The longest time for which a payment may be held when a Worker dies (M40). */
const LONGEST_LEASE_SECONDS = 900;

/** The URL of an origin. */
export const OriginUrl = z
  .string()
  .check(z.refine(isOriginUrl, 'must be an http or https URL without user info, query, fragment or dot segments'));

/** A host; a leading `*.` covers all subdomains. */
export const ZoneHosts = z.array(
  z.string().check(z.regex(/^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a lower-case host; a leading "*." covers subdomains')),
);

/** The origin of an API that is sold. */
export const OriginSchema = z.union(
  [
    OriginUrl,
    z.literal('same-zone'),
    z.strictObject({
      /** Name of a service binding. @example 'UPSTREAM' */
      service: z.string().check(z.regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/)),
    }),
  ],
  'must be an http or https URL without user info, query, fragment or dot segments; or "same-zone"; or { service: "BINDING" }',
);

/** The keys of a route that decide how its requests are forwarded. */
export const UPSTREAM_KEYS = {
  /** Matches only requests with these header fields, each exactly once. Names in lower case. @example { 'x-plan': 'pro' } */
  headers: z.optional(
    z.record(
      z
        .string()
        .check(
          z.refine(
            (name) => HEADER_NAME.test(name) && isForwarded(name),
            'must be a lower-case header name that is forwarded to the origin',
          ),
        ),
      z.string().check(z.regex(HEADER_VALUE, 'must be printable ASCII'), z.regex(SINGLE_VALUE, 'must not contain a comma')),
    ),
  ),
  /**
   * Origin of this route, overriding the common one: a URL, 'same-zone', or { service: 'BINDING' }.
   * @example 'https://internal.example.com'
   */
  origin: z.optional(OriginSchema),
  /** Prefix removed from the path before forwarding. @example '/api' */
  stripPrefix: z.optional(z.string()),
  /** Path for the origin, with the named parts and the wildcard of the match. @example '/v2/users/:id' */
  rewrite: z.optional(z.string()),
  /**
   * Headers set on requests to the origin: plain text, or { secret: 'NAME' } for the value of a Worker secret.
   * @example { 'x-api-key': { secret: 'UPSTREAM_KEY' } }
   */
  setHeaders: z.optional(
    z.record(
      z
        .string()
        .check(
          z.refine(
            (name) => HEADER_NAME.test(name) && isSettable(name),
            'must be a lower-case header name that is neither reserved by the gateway nor hop-by-hop',
          ),
        ),
      z.union(
        [
          z.string().check(z.regex(HEADER_VALUE, 'must be printable ASCII')),
          z.strictObject({ /** The name of the Worker secret. @example 'UPSTREAM_KEY' */ secret: z.string() }),
        ],
        'must be printable ASCII, or { secret: "NAME" }',
      ),
    ),
  ),
  /** Seconds within which the origin must send its response headers. Default: originTimeoutSeconds. @example 60 */
  timeoutSeconds: z.optional(whole(1, 600)),
  /** Largest request body in bytes. A larger one gets a 413 before anything is sold. @example 1048576 */
  maxBodyBytes: z.optional(whole(0, LARGEST_BODY_BYTES)),
  /**
   * What happens to a counted call whose response the origin breaks off: 'counted', or 'released', which holds the payment
   * until the body has ended. Default 'counted'.
   * @example 'released'
   */
  brokenBody: z.optional(z.enum(['counted', 'released'])),
  /**
   * Origin statuses (300 to 499) after which a call is not counted, in addition to every 5xx. A redirect qualifies only if it
   * leads to the same host and asks for the same request again: 301, 302 and 303 after a POST are counted. Default: 301, 302,
   * 303, 307, 308, 401, 402, 403, 407 and 429.
   * @example [404, 429]
   */
  releaseStatuses: z.optional(z.array(whole(300, 499)).check(z.maxLength(MOST_RELEASE_STATUSES))),
};

const UpstreamSchema = z.object(UPSTREAM_KEYS);
type UpstreamConfig = z.output<typeof UpstreamSchema> & { readonly match: string; readonly host?: string | undefined };

/** Settings shared by all routes. */
export interface UpstreamDefaults {
  readonly origin: z.output<typeof OriginSchema> | undefined;
  readonly timeoutSeconds: number;
  readonly zoneHosts: readonly string[];
  /** The Worker's variables and secrets. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Compiles how a route's requests are forwarded, or lists the problems; each starts with `.key: `. */
export function prepareUpstream(route: UpstreamConfig, defaults: UpstreamDefaults): Result<Upstream, readonly string[]> {
  const problems: string[] = [];
  const take = <Value>(key: string, result: Result<Value, string>): Value | undefined => {
    if (!result.ok) problems.push(`.${key}: ${result.refusal}`);
    return result.ok ? result.value : undefined;
  };
  const written = route.origin ?? defaults.origin;
  // Reported once for all routes, in config.ts.
  if (written === undefined) return refuse([]);
  const origin = take('origin', placeOf(written, route.host === undefined ? defaults.zoneHosts : [route.host]));
  const rewrite = take(route.stripPrefix === undefined ? 'rewrite' : 'stripPrefix', rewriteOf(route));
  const setHeaders = Object.entries(route.setHeaders ?? {}).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : take(`setHeaders.${name}`, readSecret(value.secret, defaults.variables)),
  ]);
  const timeoutSeconds = route.timeoutSeconds ?? defaults.timeoutSeconds;
  const brokenBody = route.brokenBody ?? 'counted';
  const leaseSeconds = leaseSecondsOf({ timeoutSeconds, brokenBody });
  if (leaseSeconds > LONGEST_LEASE_SECONDS) {
    const most = timeoutSeconds - (leaseSeconds - LONGEST_LEASE_SECONDS);
    problems.push(
      `.brokenBody: 'released' could hold a payment for ${leaseSeconds} s after a Worker crash; lower timeoutSeconds to ${most} or less`,
    );
  }
  if (origin === undefined || problems.length > 0) return refuse(problems);
  return accept({
    origin,
    rewrite,
    setHeaders: setHeaders as [string, string][],
    timeoutSeconds,
    maxBodyBytes: route.maxBodyBytes,
    brokenBody,
    releaseStatuses: new Set(route.releaseStatuses ?? DEFAULT_RELEASE_STATUSES),
  });
}

const Naming = z.object({ routes: z.array(z.object({ setHeaders: z.optional(z.record(z.string(), z.unknown())) })) });

/** Returns the secrets that routes name: Worker variables that are not settings of the gateway. Works even on an invalid file. */
export function namedSecrets(gateway: unknown): ReadonlySet<string> {
  const values = (Naming.safeParse(gateway).data?.routes ?? []).flatMap(({ setHeaders = {} }) => Object.values(setHeaders));
  return new Set(values.flatMap((value) => (value as { secret?: string } | null)?.secret ?? []));
}

function placeOf(origin: z.output<typeof OriginSchema>, hosts: readonly string[]): Result<OriginPlace, string> {
  if (origin === 'same-zone') {
    return hosts.length > 0 ? accept({ kind: 'same_zone', hosts }) : refuse('"same-zone" needs host on the route, or zoneHosts');
  }
  if (typeof origin !== 'string') return accept({ kind: 'service', binding: origin.service });
  const pathStart = origin.indexOf('/', origin.indexOf('//') + 2);
  return accept({
    kind: 'url',
    base: pathStart < 0 ? origin : origin.slice(0, pathStart),
    prefix: pathStart < 0 ? '' : origin.slice(pathStart).replace(/\/$/, ''),
  });
}

function rewriteOf({ match, stripPrefix, rewrite }: UpstreamConfig): Result<PathRewrite | undefined, string> {
  if (stripPrefix !== undefined && rewrite !== undefined) return refuse('cannot be combined with rewrite');
  if (stripPrefix !== undefined) return compileStrip(match, stripPrefix);
  return rewrite === undefined ? accept(undefined) : compileRewrite(match, rewrite);
}

/** The gateway's own secrets are never sent to an origin. */
const OWN_SECRET = /^(TOKEN_SECRET_.*|BRIDGE_SECRET|ORIGIN_SECRET|PRICING_SECRET|ADMIN_SECRET)$/;

function readSecret(name: string, variables: Readonly<Record<string, unknown>>): Result<string, string> {
  if (OWN_SECRET.test(name)) return refuse(`${name} is one of the gateway's own secrets and is never sent to an origin`);
  const value = variables[name];
  if (typeof value !== 'string') return refuse(`the secret ${name} is missing`);
  return HEADER_VALUE.test(value) ? accept(value) : refuse(`the secret ${name} is not a valid header value`);
}

function isOriginUrl(text: string): boolean {
  const parts = /^https?:\/\/[^/?#@\\\s]+(\/[^?#\\\s]*)?$/.exec(text);
  if (parts === null || !URL.canParse(text)) return false;
  const path = parts[1] ?? '/';
  return canonicalizePath(path).ok && new URL(text).pathname === path;
}
