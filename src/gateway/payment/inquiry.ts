/*
 * A request on a sold route, with what is known about it: its price, its body, its context. Slow work is done once; the
 * context is renewed whenever time has passed (M32). Effects: those of the ports that are asked.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { digestRequest, NO_BODY_HASH } from '#protocol/request-digest.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Quote } from '#schemes/scheme.ts';
import { type GateDeps } from '../gate-deps.ts';
import { findFormField, isForm, LARGEST_FORM_BYTES } from '../request/form-fields.ts';
import { type Look } from '../policy/look.ts';
import { type BodyHolder, type BodyOutcome, type HeldBody } from '../request/held-body.ts';
import { type Upstream } from '../routing/upstream.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { quoteSale, type QuoteOutcome } from '../pricing/quote.ts';
import { type Sold } from '../route.ts';
import { type RequestContext } from '../request-context.ts';

export interface Inquiry {
  readonly request: Request;
  readonly facts: RequestFacts;
  readonly sold: Sold;
  /** The price has to be asked for, or a form has to be read for it: this may take time and cost the seller something. */
  readonly isPriceAsked: boolean;
  /** The body may be a form whose fields decide whether the call is sold at all. */
  readonly readsForm: boolean;
  /** Returns the quote, if it did not have to be asked for. */
  readonly known: () => Quote | undefined;
  /** Returns the context as of the last look. */
  readonly context: () => RequestContext;
  readonly lookAgain: () => Promise<GatewayRefusal | undefined>;
  /** Returns the body to forward, if it was read or sized. */
  readonly body: () => HeldBody | undefined;
  readonly quote: (holder: BodyHolder) => QuoteOutcome | Promise<QuoteOutcome>;
  /** Returns the digest of the request; this reads its body. Call it after `quote`, which may have read the body. */
  readonly digest: (holder: BodyHolder) => Promise<Result<string, GatewayRefusal>>;
}

/** The body of a request to which a token is narrowed is held in memory (M9). */
const LARGEST_DIGESTED_BODY = 1 << 20;

type Asked = Pick<Inquiry, 'request' | 'facts' | 'sold'> & { readonly context: RequestContext; readonly look: Look };

/** Begins an inquiry, without asking anyone yet. */
export function openInquiry({ request, facts, sold, context: first, look }: Asked, deps: GateDeps): Inquiry {
  const { kind } = sold.sale.price;
  const { refusedInForm: names } = sold.route;
  const readsForm = names.length > 0 && facts.hasBody && isForm(facts.headers);
  const isPriceAsked = kind === 'function' || kind === 'service' || readsForm;
  const body = openBody({ request, facts, sold }, deps);
  let context = first;
  let quoting: QuoteOutcome | Promise<QuoteOutcome> | undefined;
  let quoted: QuoteOutcome | undefined;
  const note = (outcome: QuoteOutcome): QuoteOutcome => {
    quoted = outcome;
    if (outcome.ok) body.keep(outcome.value.body);
    return outcome;
  };
  /** Refuses a form that contains a field which decides the price, at no cost to the client (M39). */
  const judgeForm = async (outcome: QuoteOutcome, holder: BodyHolder): Promise<QuoteOutcome> => {
    if (!outcome.ok) return outcome;
    const read = await body.read(holder, LARGEST_FORM_BYTES);
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
    body: body.held,
    quote(holder) {
      if (quoting !== undefined) return quoting;
      const { bodies, pricing, wait, log } = deps;
      const readBody = (most: number) => bodies.read(request, { most, holder });
      const asked = quoteSale(sold, facts, { request, readBody, pricing, wait, log });
      const noted = asked instanceof Promise ? asked.then(note) : note(asked);
      return (quoting = readsForm ? Promise.resolve(noted).then((outcome) => judgeForm(outcome, holder)) : noted);
    },
    digest: body.digest,
  };
}

/** The body of the request, read at most once. */
function openBody({ request, facts, sold }: Pick<Inquiry, 'request' | 'facts' | 'sold'>, { bodies }: GateDeps) {
  let held: HeldBody | undefined;
  let digesting: Promise<Result<string, GatewayRefusal>> | undefined;
  const read = async (holder: BodyHolder, largest: number): Promise<BodyOutcome> => {
    if (held?.kind === 'read') return accept(held.bytes);
    const outcome = await bodies.read(request, { most: limitOf(held, sold.upstream, largest), holder });
    if (outcome.ok) held = { kind: 'read', bytes: outcome.value };
    return outcome;
  };
  const digest = async (holder: BodyHolder): Promise<Result<string, GatewayRefusal>> => {
    if (!facts.hasBody) return accept(digestFor(facts, NO_BODY_HASH));
    const outcome = await read(holder, LARGEST_DIGESTED_BODY);
    return outcome.ok ? accept(digestFor(facts, sha256(outcome.value))) : outcome;
  };
  return {
    held: (): HeldBody | undefined => held,
    /** Keeps what the price was taken from, unless the body was read already. */
    keep(body: HeldBody | undefined): void {
      held ??= body;
    },
    read,
    digest: (holder: BodyHolder) => (digesting ??= digest(holder)),
  };
}

function digestFor({ method, host, path, query }: RequestFacts, bodyHash: Uint8Array): string {
  return digestRequest({ method, host, path, query, bodyHash });
}

/** Returns the size limit of a body: its declared length if that was priced, and never more than its route accepts. */
function limitOf(held: HeldBody | undefined, { maxBodyBytes = Infinity }: Upstream, largest: number): number {
  return Math.min(held?.kind === 'sized' ? held.bytes : largest, maxBodyBytes, largest);
}
