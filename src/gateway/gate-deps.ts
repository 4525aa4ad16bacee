/*
 * What the path of a request works with: the compiled settings and the ports. Types only.
 */
import { type Network } from '#protocol/invoice.ts';
import {
  type Claims,
  type Clock,
  type Control,
  type Lightning,
  type Log,
  type NoteFirst,
  type Origin,
  type PoolBounds,
  type Pricing,
  type Quota,
  type Random,
  type RateLimits,
  type Sales,
  type Settlements,
  type Wait,
} from '../ports.ts';
import { type PaymentScheme } from '#schemes/scheme.ts';
import { type Concurrency } from './policy/concurrency.ts';
import { type GatewayPolicySettings } from './policy/policy.ts';
import { type HalfOpenTrials } from './policy/half-open.ts';
import { type HeldBodies } from './request/held-body.ts';
import { type OriginProof } from './upstream/origin-proof.ts';
import { type Operator } from './operator.ts';
import { type KnownPasses } from './payment/first-use.ts';
import { type RefusedClaims } from './payment/refused-claims.ts';
import { type RouteTable } from './route.ts';
import { type ProveSettled } from './payment/settlement.ts';

export interface GateSettings {
  readonly routes: RouteTable;
  readonly network: Network;
  readonly docsUrl: string;
  /** What tokens say is the stricter of this and what the bridge tells with the invoice (M24). */
  readonly settlement: 'preimage' | 'strict';
  readonly invoiceExpirySeconds: number;
  readonly redeemSeconds: number;
  readonly skewSeconds: number;
  readonly maxStreamSeconds: number;
  /** Where claims live, whoever buys; nothing: near the buyer. */
  readonly claimRegion: number | undefined;
  /** Nothing: as many as is usual in the region. */
  readonly claimShardBits: number | undefined;
  /** Nothing: no invoice is made before somebody asks. */
  readonly pool: PoolBounds | undefined;
  readonly policy: GatewayPolicySettings;
}

export interface GateDeps {
  readonly settings: GateSettings;
  readonly lightning: Lightning;
  readonly claims: Claims;
  readonly sales: Sales;
  readonly noteFirst: NoteFirst;
  /** Passes that this isolate has asked the claims about. */
  readonly knownPasses: KnownPasses;
  /** What this isolate knows of claims that were refused. */
  readonly refusedClaims: RefusedClaims;
  /** The bodies that it is reading. */
  readonly bodies: HeldBodies;
  readonly quota: Quota;
  readonly rates: RateLimits;
  readonly control: Control;
  readonly halfOpen: HalfOpenTrials;
  /** Nothing: as many calls at an origin at once as come. */
  readonly places?: Concurrency | undefined;
  /** Nothing: nobody gives orders over HTTP. */
  readonly operator?: Operator | undefined;
  /** Ways to pay, in the order in which their credentials are tried. The first that issues tokens issues those of invoices. */
  readonly schemes: readonly PaymentScheme[];
  readonly proveSettled: ProveSettled;
  /** Nothing: nobody pushes, and the node is asked. */
  readonly settlements?: Settlements | undefined;
  readonly pricing: Pricing;
  readonly origin: Origin;
  /** Nothing: no ORIGIN_SECRET, no proof. */
  readonly originProof?: OriginProof | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly wait: Wait;
  readonly log: Log;
}
