/*
 * A priced request for which no payment is good, on its way to the quota. Effects: the ports.
 */
import { refuse } from '#protocol/result.ts';
import { type Background } from '../../ports.ts';
import { type Admission } from '../admission.ts';
import { type GateDeps } from '../gate-deps.ts';
import { type QuoteOutcome } from '../pricing/quote.ts';
import { namesOf } from '../request/client-key.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { type Unpaid } from './credentials.ts';
import { type Inquiry } from './inquiry.ts';
import { admitUnpaid } from './unpaid.ts';

/**
 * Decides a request without a usable payment. An external price is asked for only after the quota has agreed; the policies
 * are judged again afterwards, because that takes time.
 */
export async function admitWithout(
  { reason, usedUp }: Unpaid,
  inquiry: Inquiry,
  { deps, background }: { deps: GateDeps; background: Background },
): Promise<Admission> {
  const { facts, sold } = inquiry;
  const quote = async (): Promise<QuoteOutcome> => {
    const quoted = await inquiry.quote({ kind: 'unpaid', client: namesOf(facts.client()).own[0] });
    const barred = quoted.ok && inquiry.isPriceAsked ? await inquiry.lookAgain() : undefined;
    return barred === undefined ? quoted : refuse(barred);
  };
  const presented = listHashes(facts.presentations);
  const offered = { service: sold.sale.service, quote, known: inquiry.known(), isFixed: sold.sale.price.kind === 'fixed' };
  const asked = { context: inquiry.context(), reason, ...offered, presented, usedUp, body: inquiry.body() };
  const admission = await admitUnpaid(asked, { deps, background });
  if (admission.kind !== 'free' || !inquiry.readsForm) return admission;
  // A free call needs no price, but its form is checked against its route all the same.
  const quoted = await quote();
  return quoted.ok ? { ...admission, body: inquiry.body() } : { kind: 'refuse', reason: quoted.refusal };
}

/** Returns the payment hashes presented with the request, in hex; `undefined` if one of its credentials cannot be read. */
function listHashes(presentations: RequestFacts['presentations']): readonly string[] | undefined {
  const listed = presentations.map((presentation) => presentation.paymentHashes());
  return listed.every((hashes) => hashes !== undefined) ? listed.flat() : undefined;
}
