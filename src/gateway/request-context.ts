/*
 * A request on its route, and a dispatch. Types only.
 */
import { type StatedLimit } from './answers/rate-fields.ts';
import { type PolicyFacts, type TrafficClass } from './policy/policy.ts';
import { type RateStep } from './policy/rate.ts';
import { type Route } from './route.ts';
import { type Upstream } from './routing/upstream.ts';

/** A request on its route, as the policies know it. */
export interface RequestContext extends PolicyFacts {
  readonly route: Route;
  readonly upstream: Upstream;
}

/** A call that may go to the origin. */
export interface Dispatch {
  readonly context: RequestContext;
  readonly trafficClass: TrafficClass;
  readonly steps: readonly RateStep[];
  /** Limits that it has already passed. */
  readonly stated?: readonly StatedLimit[];
  /** The latest instant to send it. */
  readonly sendByMs?: number | undefined;
  /** Whose votes on the origin this call carries (M12). Unpaid calls have none: strangers must not be able to open a breaker. */
  readonly voters: readonly string[];
  /** The payment and the client, as far as known: neither may take all places (M41). */
  readonly holders: readonly string[];
  readonly network?: string | undefined;
}
