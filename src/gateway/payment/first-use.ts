/*
 * The first time that a payment is presented: this is when it counts as sold. For a counted payment the claim answers it; for
 * a pass it is asked in the background, once per isolate. Effects: the claims and the sales behind their ports, memory.
 */
import { formatHex } from '#protocol/bytes.ts';
import { type Grant, type Quote } from '#schemes/scheme.ts';
import { type Background, type Log, type NoteFirst, type Sales, type SoldPayment } from '../../ports.ts';
import { noteFault } from '../answers/fault.ts';

/** Passes that this isolate has asked about. */
export interface KnownPasses {
  /** Adds a pass; true if it is new. */
  readonly add: (paymentHashHex: string) => boolean;
}

/** The oldest is dropped first, and asked about again at its next use. */
export const MOST_KNOWN_PASSES = 4096;

/** Creates an empty memory. */
export function createKnownPasses(): KnownPasses {
  const known = new Set<string>();
  return {
    add(paymentHashHex) {
      if (known.has(paymentHashHex)) return false;
      if (known.size >= MOST_KNOWN_PASSES) known.delete(known.keys().next().value!);
      known.add(paymentHashHex);
      return true;
    },
  };
}

interface Teller {
  readonly deps: { readonly noteFirst: NoteFirst; readonly sales: Sales; readonly knownPasses: KnownPasses; readonly log: Log };
  readonly background: Background;
}

/** Reports a payment as sold if this is its first use. `isFirst`: the claim's answer; `undefined` for a pass. */
export function tellPayment(
  grant: Grant,
  { quote, isFirst }: { quote: Quote; isFirst: boolean | undefined },
  { deps, background }: Teller,
): void {
  const { scheme, access, paidMsat } = grant.sold;
  const sold: SoldPayment = { claim: grant.claimId, match: quote.match, service: quote.service, scheme, access, amountMsat: paidMsat };
  if (isFirst === true) deps.sales.payment(sold);
  if (isFirst === undefined && deps.knownPasses.add(formatHex(grant.paymentHash))) background(askForPass(grant, sold, deps));
}

async function askForPass(grant: Grant, sold: SoldPayment, { noteFirst, sales, log }: Teller['deps']): Promise<void> {
  const { paymentHash, claimObjectName: objectName, claimEndsAtSeconds: endsAtSeconds } = grant;
  try {
    if (await noteFirst({ paymentHash, objectName, endsAtSeconds })) sales.payment(sold);
  } catch (error) {
    // Another isolate may tell of it. It is not asked for again here: claims that are down must not be asked with each call.
    noteFault(log, { at: 'claims.noteFirst', error });
  }
}
