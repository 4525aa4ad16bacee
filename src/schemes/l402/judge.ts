/*
 * Judges what a proved token is good for: its caveats and terms, compared with the request. Pure.
 */
import { judgeCaveats } from '#protocol/caveat.ts';
import { type CredentialRefusal } from '#protocol/refusal.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { chargeFor } from '../charge.ts';
import { endOfClaim, type Grant, type GrantRefusal, type JudgeContext, type Quote, type SoldTerms } from '../scheme.ts';
import { type ProvedToken } from './proved-token.ts';
import { readToken, type TokenReading } from './token-reading.ts';

/**
 * Returns why a proved token is good for nothing with these terms, as far as is known before the body is read and the price
 * is known; `undefined` if it may be good.
 */
export function judgeStanding(token: ProvedToken, sold: SoldTerms, context: JudgeContext): CredentialRefusal | undefined {
  const reading = readToken(token, sold.service);
  const caveats = reading.needsDigest ? token.caveats.filter(({ condition }) => condition !== 'request') : token.caveats;
  return judgeTerms({ ...token, caveats }, { sold, reading, context });
}

/**
 * Returns how much later a pass ends than its minter wrote (M38). A token does not contain its time of sale. The earliest is
 * when its invoice was made; at most the length of the pass is counted for the wait for payment. The route's current offer
 * gives that length; if the route no longer sells passes, the extension is 0.
 */
function extensionOf({ hasRow, terms }: TokenReading, { access, seconds }: SoldTerms['sells'], context: JudgeContext): number {
  if (hasRow || !terms.ok || access.kind !== 'pass' || seconds === undefined) return 0;
  const { validUntilSeconds } = terms.value;
  const soldAtSeconds = validUntilSeconds - seconds - Math.min(seconds, context.invoiceExpirySeconds);
  return context.extensionOf?.({ soldAtSeconds, validUntilSeconds }) ?? 0;
}

function judgeTerms(
  { caveats, preimage }: ProvedToken,
  { sold, reading, context }: { sold: SoldTerms; reading: TokenReading; context: JudgeContext },
): CredentialRefusal | undefined {
  const { service, tier, capabilities } = sold;
  const { nowSeconds, skewSeconds, request, requestDigest } = context;
  const { method, host, path } = request;
  const extendedBySeconds = extensionOf(reading, sold.sells, context);
  const clientAddress = reading.needsClientAddress ? context.clientAddress() : undefined;
  const asked = { method, host, path, clientAddress, requestDigest, extendedBySeconds };
  const refusal = judgeCaveats(caveats, { service, tier, capabilities, nowSeconds, skewSeconds, preimage, ...asked });
  if (refusal !== undefined) return refusal;
  const { terms, counters } = reading;
  if (!terms.ok) return terms.refusal;
  // A token that was sold without capabilities has none, whatever caveats follow its terms (M46).
  if (capabilities.some((needed) => !terms.value.capabilities.has(needed))) {
    return { code: 'capability_missing', detail: 'the token was sold without a capability that is needed here' };
  }
  return counters.ok ? undefined : counters.refusal;
}

/** Judges what a proved token is good for, against the quote and the request. */
export async function judgeToken(token: ProvedToken, quote: Quote, context: JudgeContext): Promise<Result<Grant, GrantRefusal>> {
  const { id } = token;
  const reading = readToken(token, quote.service);
  const refusal = judgeTerms(token, { sold: quote, reading, context });
  if (refusal !== undefined) return refuse(refusal);
  const { terms, counters } = reading;
  if (!terms.ok) return terms;
  const { access, quoteDigest, paidMsat, validUntilSeconds } = terms.value;
  const isAsSold = quoteDigest === quote.digest;
  // A credit is compared with each price when it is charged.
  if (access.kind !== 'credit' && !isAsSold && (reading.leastPaidMsat ?? paidMsat) < quote.priceMsat) {
    return refuse({ code: 'payment_too_small', detail: 'the token was sold for less than this costs' });
  }
  if (!counters.ok) return counters;
  const charge = chargeFor(access, {
    counters: counters.value,
    priceMsat: isAsSold && access.kind !== 'credit' ? paidMsat : quote.priceMsat,
    nowSeconds: context.nowSeconds,
  });
  if (!charge.ok) return charge;
  return accept({
    paymentHash: token.paymentHash,
    claimObjectName: reading.claimObjectName,
    claimEndsAtSeconds: endOfClaim(validUntilSeconds),
    claimId: reading.claimId,
    secretId: reading.secretId,
    charge: charge.value,
    maxPerMinute: access.kind === 'pass' ? access.maxPerMinute : undefined,
    needsSettlement: terms.value.settlement !== undefined,
    sold: { scheme: 'L402', access: access.kind, paidMsat },
    challengeId: reading.challengeId,
    passEndsAtSeconds:
      id.access === 'pass'
        ? Math.min(reading.holdersEndSeconds, validUntilSeconds + extensionOf(reading, quote.sells, context))
        : undefined,
  });
}
