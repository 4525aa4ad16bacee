/*
 * A request on its route, and a call that may go to the origin. Types only.
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
  /** Limits under which it has passed already. */
  readonly stated?: readonly StatedLimit[];
  /** Later it is not sent. */
  readonly sendByMs?: number | undefined;
  /** Who says how the origin does (M12). Nobody who has not paid: strangers must not be able to open a breaker. */
  readonly voters: readonly string[];
  /** Payment and client, as far as they are known: neither may take the places of all others (M41). */
  readonly holders: readonly string[];
}
