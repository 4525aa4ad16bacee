/*
 * The dependencies of the request path: the compiled settings and the ports. Types only.
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
import { type AskedInVain } from './payment/asked-in-vain.ts';
import { type RefusedClaims } from './payment/refused-claims.ts';
import { type RouteTable } from './route.ts';
import { type ProveSettled } from './payment/settlement.ts';

export interface GateSettings {
  readonly routes: RouteTable;
  readonly network: Network;
  readonly docsUrl: string;
  /** Tokens get the stricter of this and what the bridge says with the invoice (M24). */
  readonly settlement: 'preimage' | 'strict';
  readonly invoiceExpirySeconds: number;
  readonly redeemSeconds: number;
  readonly skewSeconds: number;
  readonly maxStreamSeconds: number;
  /** Where all claims live; `undefined`: near the buyer. */
  readonly claimRegion: number | undefined;
  /** `undefined`: the usual number for the region. */
  readonly claimShardBits: number | undefined;
  /** `undefined`: no invoice is made in advance. */
  readonly pool: PoolBounds | undefined;
  readonly policy: GatewayPolicySettings;
}

export interface GateDeps {
  readonly settings: GateSettings;
  readonly lightning: Lightning;
  readonly claims: Claims;
  readonly sales: Sales;
  readonly noteFirst: NoteFirst;
  /** Passes that this isolate has already looked up in the claims. */
  readonly knownPasses: KnownPasses;
  /** Refused claims that this isolate remembers. */
  readonly askedInVain: AskedInVain;
  readonly refusedClaims: RefusedClaims;
  /** The request bodies that this isolate is reading. */
  readonly bodies: HeldBodies;
  readonly quota: Quota;
  readonly rates: RateLimits;
  readonly control: Control;
  readonly halfOpen: HalfOpenTrials;
  /** `undefined`: no limit on concurrent calls at an origin. */
  readonly places?: Concurrency | undefined;
  /** `undefined`: no orders over HTTP. */
  readonly operator?: Operator | undefined;
  /** Payment schemes, in the order in which their credentials are tried. The first that issues tokens issues those of invoices. */
  readonly schemes: readonly PaymentScheme[];
  readonly proveSettled: ProveSettled;
  /** `undefined`: there is no feed, so the node is asked. */
  readonly settlements?: Settlements | undefined;
  readonly pricing: Pricing;
  readonly origin: Origin;
  /** `undefined`: no ORIGIN_SECRET, so no proof. */
  readonly originProof?: OriginProof | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly wait: Wait;
  readonly log: Log;
}
