/*
 * What the path of a request works with: the compiled settings and the ports. Types only.
 */
import { type Network } from '#protocol/invoice.ts';
import {
  type Claims,
  type Clock,
  type Control,
  type Hmac,
  type KeyRing,
  type Lightning,
  type Log,
  type Origin,
  type Pricing,
  type Quota,
  type Random,
  type RateLimits,
  type Wait,
} from '../ports.ts';
import { type Concurrency } from './concurrency.ts';
import { type GatewayFenceSettings, type TryHalfOpen } from './fences.ts';
import { type Operator } from './operator.ts';
import { type RouteTable } from './routes.ts';

export interface GateSettings {
  readonly routes: RouteTable;
  /** Without a slash at its end. */
  readonly originUrl: string;
  readonly network: Network;
  readonly docsUrl: string;
  readonly invoiceExpirySeconds: number;
  readonly redeemSeconds: number;
  readonly skewSeconds: number;
  readonly originTimeoutSeconds: number;
  readonly claimRegion: number;
  readonly claimShardBits: number;
  readonly fences: GatewayFenceSettings;
}

export interface GateDeps {
  readonly settings: GateSettings;
  readonly lightning: Lightning;
  readonly claims: Claims;
  readonly quota: Quota;
  readonly rates: RateLimits;
  readonly control: Control;
  readonly tryHalfOpen: TryHalfOpen;
  /** Nothing: as many calls at an origin at once as come. */
  readonly places?: Concurrency | undefined;
  /** Nothing: nobody gives orders over HTTP. */
  readonly operator?: Operator | undefined;
  readonly keys: KeyRing;
  readonly hmac: Hmac;
  readonly pricing: Pricing;
  readonly origin: Origin;
  readonly clock: Clock;
  readonly random: Random;
  readonly wait: Wait;
  readonly log: Log;
}
