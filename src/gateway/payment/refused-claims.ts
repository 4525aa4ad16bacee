/*
 * What an isolate knows of claims that were refused, so that a flood of one credential does not reach the claim object with
 * each request (M37). What is final (used up, revoked) is kept until newer entries need the place; what may change is kept
 * for a second. Written only with what a claim object or the node has answered about a proved token: a stranger cannot make
 * a payment look refused. Effects: memory.
 */
import { type Charge } from '#schemes/scheme.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';

/** A claim as it is asked for. */
export interface AskedClaim {
  readonly paymentHashHex: string;
  readonly charge: Pick<Charge, 'limit' | 'cost' | 'draws'>;
}

export interface RefusedClaims {
  /** Why the claim is refused; `undefined` when only the object knows. */
  readonly find: (claim: AskedClaim, nowMs: number) => GatewayRefusal | undefined;
  /** Why a payment is sure to buy nothing that takes `leastCost` units or more. */
  readonly findSpent: (paymentHashHex: string, leastCost: number, nowMs: number) => GatewayRefusal | undefined;
  readonly note: (claim: AskedClaim, reason: GatewayRefusal, nowMs: number) => void;
}

/** Payments that an isolate remembers. Only those who have paid can fill the places. */
export const MOST_REFUSED_CLAIMS = 4096;
/** What may change is asked for again after so long. */
export const REFUSED_CLAIM_MS = 1000;

interface Known {
  readonly reason: GatewayRefusal;
  /** It can never be granted. */
  readonly isFinal: boolean;
  /** What the reason tells cannot change either. */
  readonly isExact: boolean;
  readonly atMs: number;
  /** Of the token that was shown; `undefined`: whatever it sold. */
  readonly limit: number | undefined;
  /** A call that takes less may be good. */
  readonly fromCost: number;
}

/** Refusals that hold for every claim of the payment. */
const FOR_EVERY_CLAIM: ReadonlySet<string> = new Set([
  'token_revoked',
  'token_expired',
  'payment_cooling',
  'invoice_unsettled',
  'invoice_gone',
]);

/** An empty memory. */
export function createRefusedClaims(): RefusedClaims {
  const known = new Map<string, Known>();
  const keep = (name: string, entry: Known) => {
    known.delete(name);
    if (known.size >= MOST_REFUSED_CLAIMS) known.delete(known.keys().next().value!);
    known.set(name, entry);
  };
  const findFor = (name: string, { limit, cost }: { limit?: number; cost: number }) => {
    const entry = known.get(name);
    if (entry === undefined || cost < entry.fromCost) return undefined;
    return entry.limit === undefined || limit === undefined || entry.limit === limit ? entry : undefined;
  };
  const isSure = ({ isExact, atMs }: Known, nowMs: number) => {
    // Never from before: a clock that goes back must not make a second last for hours.
    const ageMs = nowMs - atMs;
    return isExact || (ageMs >= 0 && ageMs < REFUSED_CLAIM_MS);
  };
  return {
    find({ paymentHashHex, charge }, nowMs) {
      if (known.size === 0) return undefined;
      const entry = findFor(paymentHashHex, charge);
      if (entry !== undefined && isSure(entry, nowMs)) return entry.reason;
      const narrowed = charge.draws.length === 0 ? undefined : findFor(nameDraws(paymentHashHex, charge), charge);
      return narrowed !== undefined && isSure(narrowed, nowMs) ? narrowed.reason : undefined;
    },
    findSpent(paymentHashHex, leastCost, nowMs) {
      const entry = findFor(paymentHashHex, { cost: leastCost });
      if (entry?.isFinal !== true) return undefined;
      // What is left may have become less since.
      const { code, detail } = entry.reason;
      return isSure(entry, nowMs) ? entry.reason : { code, detail };
    },
    note({ paymentHashHex, charge }, reason, nowMs) {
      const entry = { reason, atMs: nowMs, isFinal: false, isExact: false, limit: undefined, fromCost: 0 };
      if (reason.code === 'payment_spent') {
        const left = reason.remaining?.count ?? 0;
        keep(paymentHashHex, { ...entry, isFinal: true, isExact: left === 0, limit: charge.limit, fromCost: left + 1 });
      } else if (reason.code === 'caveat_exhausted') {
        keep(nameDraws(paymentHashHex, charge), { ...entry, limit: charge.limit, fromCost: charge.cost });
      } else if (reason.code === 'payment_cooling' && charge.draws.length > 0) {
        // That may be the holder of this token alone (M12).
        keep(nameDraws(paymentHashHex, charge), entry);
      } else if (FOR_EVERY_CLAIM.has(reason.code)) {
        const isFinal = reason.code === 'token_revoked';
        keep(paymentHashHex, { ...entry, isFinal, isExact: isFinal });
      }
    },
  };
}

/** Of a narrowed token: its counters and what is taken from them. */
function nameDraws(paymentHashHex: string, { draws }: AskedClaim['charge']): string {
  return [paymentHashHex, ...draws.map(({ key, limit, cost, period }) => `${key}/${limit}/${cost}/${period}`)].join(' ');
}
