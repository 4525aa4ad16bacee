/*
 * The quote for a request on a sold route. It names the inputs of the price, so that a token can be bound to them (M5).
 * Effects: those of the port that is asked for the price.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { formatHex } from '#protocol/bytes.ts';
import { type Msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Offer, type Quote } from '#schemes/scheme.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type HeldBody } from '../request/held-body.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { type Route, type Sale, type Sold } from '../route.ts';
import { describeRoute } from '../routing/find-route.ts';
import { findLargeBody } from '../routing/upstream.ts';
import { askPrice, type PriceSources } from './ask-price.ts';
import { workOutPrice, type Priced, type PriceOutcome } from './price.ts';

export interface Quoted {
  readonly quote: Quote;
  /** The body to forward, if the price depends on it. */
  readonly body: HeldBody | undefined;
}

export type QuoteOutcome = Result<Quoted, GatewayRefusal>;

const fixedQuotes = new WeakMap<Route, Quoted>();

/** Returns the price of a request, or why it has none. A promise only if the price has to be asked for. */
export function quoteSale(sold: Sold, facts: RequestFacts, sources: PriceSources): QuoteOutcome | Promise<QuoteOutcome> {
  const { price } = sold.sale;
  switch (price.kind) {
    case 'fixed':
      return accept(quoteFixed(sold.route)!);
    case 'count':
    case 'table':
    case 'size':
      return finishQuote(sold, workOutPrice(price, facts, sources.request));
    case 'function':
    case 'service':
      return askPrice(price, { facts, match: sold.route.match }, sources).then((outcome) => finishQuote(sold, outcome));
  }
}

/** Returns the quote of a fixed-price route; `undefined` for any other. */
export function quoteFixed(route: Route): Quoted | undefined {
  const { sale } = route;
  if (sale.kind !== 'paid' || sale.price.kind !== 'fixed') return undefined;
  const known = fixedQuotes.get(route) ?? quoteOf({ route, sale }, { priceMsat: sale.price.priceMsat, inputs: [] });
  fixedQuotes.set(route, known);
  return known;
}

function finishQuote(sold: Sold, outcome: PriceOutcome): QuoteOutcome {
  if (!outcome.ok) return outcome;
  const { body } = outcome.value;
  // Its length was not declared; it is known now that the body has been read.
  const tooLarge = body?.kind === 'read' ? findLargeBody(sold.upstream, body.bytes.length) : undefined;
  return tooLarge === undefined ? accept(quoteOf(sold, outcome.value)) : refuse(tooLarge);
}

/** Makes a quote. The digest covers the inputs of the price, so a token stays good for them if the price changes (M5). */
function quoteOf({ route, sale }: Omit<Sold, 'upstream'>, { priceMsat, inputs, body }: Priced): Quoted {
  const { service, tier, capabilities, description } = sale;
  const text = JSON.stringify(['quote v1', describeRoute(route), ...inputs]);
  const digest = formatHex(sha256(new TextEncoder().encode(text)).slice(0, 16));
  const sells = offerOf(sale, priceMsat);
  return { quote: { match: route.match, digest, service, tier, capabilities, priceMsat, description, sells }, body };
}

/** Returns the offer for an unpaid client at a price. */
export function offerOf({ access, seconds }: Pick<Extract<Sale, { kind: 'paid' }>, 'access' | 'seconds'>, priceMsat: Msat): Offer {
  return { access, seconds, amountMsat: access.kind === 'credit' ? access.creditMsat : priceMsat };
}
