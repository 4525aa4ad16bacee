/*
 * Refused claims that an isolate remembers, so that a flood with one credential does not reach the claim object on each
 * request (M37). Final refusals (used up, revoked) are kept until newer entries need the space; others are kept for a second.
 * Only answers of a claim object or the node about a proved token are stored: nobody else can make a payment look refused.
 * Effects: memory.
 */
import { type Charge } from '#schemes/scheme.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';

/** A claim as it is asked for. */
export interface AskedClaim {
  readonly paymentHashHex: string;
  readonly charge: Pick<Charge, 'limit' | 'cost' | 'draws'>;
}

export interface RefusedClaims {
  /** Returns why the claim is refused; `undefined` if only the object knows. */
  readonly find: (claim: AskedClaim, nowMs: number) => GatewayRefusal | undefined;
  /** Returns why a payment can certainly not buy anything that costs `leastCost` units or more. */
  readonly findSpent: (paymentHashHex: string, leastCost: number, nowMs: number) => GatewayRefusal | undefined;
  readonly note: (claim: AskedClaim, reason: GatewayRefusal, nowMs: number) => void;
}

/** Most payments that an isolate remembers. Only those who have paid can fill the space. */
export const MOST_REFUSED_CLAIMS = 4096;
/** How long a refusal that may change is kept. */
export const REFUSED_CLAIM_MS = 1000;

interface Known {
  readonly reason: GatewayRefusal;
  /** It can never be granted. */
  readonly isFinal: boolean;
  /** Its details cannot change either. */
  readonly isExact: boolean;
  readonly atMs: number;
  /** The limit of the presented token; `undefined`: any. */
  readonly limit: number | undefined;
  /** A call that costs less may be good. */
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

/** Creates an empty memory. */
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
    // A negative age never counts: a clock that goes back must not stretch one second to hours.
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
      // The remaining amount may have decreased since.
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
        // This may concern only the holder of this token (M12).
        keep(nameDraws(paymentHashHex, charge), entry);
      } else if (FOR_EVERY_CLAIM.has(reason.code)) {
        const isFinal = reason.code === 'token_revoked';
        keep(paymentHashHex, { ...entry, isFinal, isExact: isFinal });
      }
    },
  };
}

/** Names a narrowed token by its counters and what is drawn from them. */
function nameDraws(paymentHashHex: string, { draws }: AskedClaim['charge']): string {
  return [paymentHashHex, ...draws.map(({ key, limit, cost, period }) => `${key}/${limit}/${cost}/${period}`)].join(' ');
}
