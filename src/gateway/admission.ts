/*
 * The outcome of the decision about a request. Types only.
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
      /** What is left of the free calls of a sold route. */
      readonly limits: readonly StatedLimit[];
    }
  | {
      readonly kind: 'enter';
      readonly quote: Quote;
      readonly dispatch: Dispatch;
      readonly callId: string;
      /** The key by which the origin recognizes a repeated call. */
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

/** Where the invoice comes from: a ready one, or one that is made now. */
export type ChallengeSource =
  | { readonly kind: 'ready'; readonly item: ReadyChallenge }
  | {
      readonly kind: 'direct';
      /** The id of the challenge in the quota. */
      readonly challengeId: string;
      /** Where its claims live. */
      readonly region: number;
      /** Called if no invoice could be made. */
      readonly unmade: () => void;
      /** Called with the challenge that was made. */
      readonly made: (ready: ReadyChallenge) => void;
    };

/** The use of a counted payment; a pass has none. */
export interface Use {
  readonly lease: Lease;
  /** This is the first use of the payment. */
  readonly isFirst: boolean;
  readonly cost: number;
  /** What is left once this use is counted. */
  readonly remaining: Remaining;
  /** What is left of the payment's rate. */
  readonly limits: readonly StatedLimit[];
  /** The latest instant to send the call; a later call could outlive its lease (M10). */
  readonly sendByMs: number;
}
