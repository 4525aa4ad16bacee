/*
 * What is sold: a route of gateway.config.ts, compiled once, and the table of all routes. Types only.
 */
import { type Access } from '#protocol/access.ts';
import { type PolicySettings } from './policy/policy.ts';
import { type Price } from './pricing/price.ts';
import { type HeaderConditions } from './routing/header-match.ts';
import { type Upstream } from './routing/upstream.ts';
import { type RoutePattern } from './routing/route-pattern.ts';

export interface Route {
  /** The route as written in the configuration: for logs and reports. */
  readonly match: string;
  readonly pattern: RoutePattern;
  readonly host: string | undefined;
  readonly parameters: ReadonlyMap<string, string>;
  readonly headers: HeaderConditions;
  readonly sale: Sale;
  /** How it reaches the origin; `undefined` for a closed route. */
  readonly upstream: Upstream | undefined;
  readonly policy: PolicySettings;
  /** Parameters that a form of this route must not contain (M39); usually none. */
  readonly refusedInForm: readonly string[];
}

export type Sale =
  | { readonly kind: 'free' }
  | { readonly kind: 'closed' }
  | {
      readonly kind: 'paid';
      readonly service: string;
      readonly tier: number;
      readonly capabilities: readonly string[];
      readonly price: Price;
      /** What one payment buys, and for how long. `seconds: undefined`: as long as any payment can be redeemed. */
      readonly access: Access;
      readonly seconds: number | undefined;
      readonly description: string;
    };

export interface RouteTable {
  readonly routes: readonly Route[];
  /** Every parameter that decides a price on some route. */
  readonly parameterNames: readonly string[];
}

/** A route that is sold. */
export interface Sold {
  readonly route: Route;
  readonly sale: Extract<Sale, { kind: 'paid' }>;
  readonly upstream: Upstream;
}
