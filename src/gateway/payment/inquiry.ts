/*
 * A request on a route that is sold, and what has been found out about it: its price, its body, how things stand. What takes
 * time is done once; how things stand is looked at anew whenever time has gone by (M32). Effects: those of whoever is asked.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { digestRequest, NO_BODY_HASH } from '#protocol/request-digest.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Quote } from '#schemes/scheme.ts';
import { type GateDeps } from '../gate-deps.ts';
import { findFormField, isForm, LARGEST_FORM_BYTES } from '../request/form-fields.ts';
import { type BodyHolder, type BodyOutcome, type HeldBody } from '../request/held-body.ts';
import { type Upstream } from '../routing/upstream.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { quoteSale, type QuoteOutcome } from '../pricing/quote.ts';
import { type Sold } from '../route.ts';
import { type RequestContext } from '../request-context.ts';

/** How things stand for a request: the snapshot and the clock of this moment, or the policy that turns it away. */
export type Look = () => Result<RequestContext, GatewayRefusal> | Promise<Result<RequestContext, GatewayRefusal>>;

export interface Inquiry {
  readonly request: Request;
  readonly facts: RequestFacts;
  readonly sold: Sold;
  /** Somebody has to be asked for the price, or a form has to be read for it: that may take time and cost the seller something. */
  readonly isPriceAsked: boolean;
  /** The body may be a form, and what stands in it decides whether the call is sold at all. */
  readonly readsForm: boolean;
  /** The quote as far as nobody had to be asked for it. */
  readonly known: () => Quote | undefined;
  /** As it was when last looked at. */
  readonly context: () => RequestContext;
  readonly lookAgain: () => Promise<GatewayRefusal | undefined>;
  /** How the body is to be sent on. */
  readonly body: () => HeldBody | undefined;
  readonly quote: (holder: BodyHolder) => QuoteOutcome | Promise<QuoteOutcome>;
  /** The digest of the request, for which its body is read. After the quote, which may have read it. */
  readonly digest: (holder: BodyHolder) => Promise<Result<string, GatewayRefusal>>;
}

/** The body of a request that a token is narrowed to is held in memory (M9). */
const LARGEST_DIGESTED_BODY = 1 << 20;

/** Begins an inquiry; nobody is asked yet. */
export function openInquiry(
  {
    request,
    facts,
    sold,
    context: first,
    look,
  }: Pick<Inquiry, 'request' | 'facts' | 'sold'> & { readonly context: RequestContext; readonly look: Look },
  { bodies, pricing, wait, log }: GateDeps,
): Inquiry {
  const { kind } = sold.sale.price;
  const { refusedInForm: names } = sold.route;
  const readsForm = names.length > 0 && facts.hasBody && isForm(facts.headers);
  const isPriceAsked = kind === 'function' || kind === 'service' || readsForm;
  let context = first;
  let quoting: QuoteOutcome | Promise<QuoteOutcome> | undefined;
  let quoted: QuoteOutcome | undefined;
  let held: HeldBody | undefined;
  let digesting: Promise<Result<string, GatewayRefusal>> | undefined;
  const note = (outcome: QuoteOutcome): QuoteOutcome => {
    quoted = outcome;
    if (outcome.ok) held ??= outcome.value.body;
    return outcome;
  };
  const readWhole = async (holder: BodyHolder, largest = LARGEST_DIGESTED_BODY): Promise<BodyOutcome> => {
    if (held?.kind === 'read') return accept(held.bytes);
    const read = await bodies.read(request, { most: limitOf(held, sold.upstream, largest), holder });
    if (read.ok) held = { kind: 'read', bytes: read.value };
    return read;
  };
  const digest = async (holder: BodyHolder): Promise<Result<string, GatewayRefusal>> => {
    if (!facts.hasBody) return accept(digestFor(facts, NO_BODY_HASH));
    const read = await readWhole(holder);
    return read.ok ? accept(digestFor(facts, sha256(read.value))) : read;
  };
  /** A form that says what decides the price in another place costs nothing: it is refused (M39). */
  const judgeForm = async (outcome: QuoteOutcome, holder: BodyHolder): Promise<QuoteOutcome> => {
    if (!outcome.ok) return outcome;
    const read = await readWhole(holder, LARGEST_FORM_BYTES);
    const found = read.ok ? findFormField(facts.headers, { bytes: read.value, names }) : read.refusal;
    return found === undefined ? outcome : refuse(found);
  };
  return {
    request,
    facts,
    sold,
    isPriceAsked,
    readsForm,
    known: () => (!isPriceAsked && quoted?.ok === true ? quoted.value.quote : undefined),
    context: () => context,
    async lookAgain() {
      const looked = await look();
      if (!looked.ok) return looked.refusal;
      context = looked.value;
      return undefined;
    },
    body: () => held,
    quote(holder) {
      if (quoting !== undefined) return quoting;
      const readBody = (most: number) => bodies.read(request, { most, holder });
      const asked = quoteSale(sold, facts, { request, readBody, pricing, wait, log });
      const noted = asked instanceof Promise ? asked.then(note) : note(asked);
      return (quoting = readsForm ? Promise.resolve(noted).then((outcome) => judgeForm(outcome, holder)) : noted);
    },
    digest: (holder) => (digesting ??= digest(holder)),
  };
}

function digestFor({ method, host, path, query }: RequestFacts, bodyHash: Uint8Array): string {
  return digestRequest({ method, host, path, query, bodyHash });
}

/** A body that was priced by its length has no more than that, and none has more than its route takes. */
function limitOf(held: HeldBody | undefined, { maxBodyBytes = Infinity }: Upstream, largest: number): number {
  return Math.min(held?.kind === 'sized' ? held.bytes : largest, maxBodyBytes, largest);
}
