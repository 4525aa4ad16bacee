/*
 * What the decision about a request comes to. Types only.
 */
import { type Quote } from '#schemes/scheme.ts';
import { type Lease, type ReadyChallenge } from '../ports.ts';
import { type HeldBody } from './request/held-body.ts';
import { type StatedLimit } from './answers/rate-fields.ts';
import { type GatewayRefusal } from './answers/refusals.ts';
import { type Remaining } from './answers/remaining.ts';
import { type Dispatch } from './request-context.ts';

export type Admission =
  | {
      readonly kind: 'free';
      readonly dispatch: Dispatch;
      readonly body: HeldBody | undefined;
      /** What is left of the free calls of a route that is sold. */
      readonly limits: readonly StatedLimit[];
    }
  | {
      readonly kind: 'enter';
      readonly quote: Quote;
      readonly dispatch: Dispatch;
      readonly callId: string;
      /** By which the origin knows a call that is sent again. */
      readonly callKey: string;
      readonly use: Use | undefined;
      readonly body: HeldBody | undefined;
      readonly passEndsAtSeconds: number | undefined;
    }
  | {
      readonly kind: 'pay';
      readonly quote: Quote;
      readonly reason: GatewayRefusal;
      readonly source: ChallengeSource;
      readonly limits: readonly StatedLimit[];
    }
  | { readonly kind: 'refuse'; readonly reason: GatewayRefusal };

/** Where the invoice comes from: one that was ready, or one that is to be made. */
export type ChallengeSource =
  | { readonly kind: 'ready'; readonly item: ReadyChallenge }
  | {
      readonly kind: 'direct';
      /** The name under which the quota knows the challenge. */
      readonly challengeId: string;
      /** Where its claims live. */
      readonly region: number;
      /** To be called when no invoice could be had. */
      readonly unmade: () => void;
      /** To be called with what was made. */
      readonly made: (ready: ReadyChallenge) => void;
    };

/** The use of a payment that is counted; none for a pass. */
export interface Use {
  readonly lease: Lease;
  /** The payment was not used before. */
  readonly isFirst: boolean;
  readonly cost: number;
  /** Once this use is counted. */
  readonly remaining: Remaining;
  /** What is left of the rate of the payment. */
  readonly limits: readonly StatedLimit[];
  /** A call that is sent later could outlive its lease (M10). */
  readonly sendByMs: number;
}
