/*
 * The pricing port over HTTP: a signed question to the seller's service, by URL or service binding, answers of one strict
 * form, and a bounded cache keyed by everything that was sent (M26). Effects: one fetch per question, memory.
 */
import { concatBytes, encodeAscii, formatHex } from '#protocol/bytes.ts';
import { parseMsat, type Msat } from '#protocol/msat.ts';
import { type Clock, type Hmac, type PriceQuestion, type Pricing, type Random } from '../ports.ts';

/** The part of a service binding that is used. */
export interface ServiceBinding {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

export interface PricingOptions {
  /** `undefined`: no route asks a service, and none can be asked. */
  readonly secret: Uint8Array | undefined;
  readonly bindingOf: (name: string) => ServiceBinding | undefined;
  readonly hmac: Hmac;
  readonly clock: Clock;
  readonly random: Random;
}

/** Far above the largest answer of the contract. */
const LARGEST_ANSWER = 1024;
/** Some 200 KiB of memory. */
const MOST_ANSWERS_KEPT = 1000;
/** A binding has no URL; only the path of this one is signed. */
const BINDING_URL = 'https://pricing.internal/';

/** Creates the pricing port for the services that routes name. */
export function createPricing(options: PricingOptions): Pricing {
  const kept = new Map<string, { readonly priceMsat: Msat; readonly endsAtMs: number }>();
  return async (question) => {
    const { service, body, cacheSeconds } = question;
    const bodyHashHex = await hashHex(body);
    const key = `${service} ${bodyHashHex}`;
    const known = kept.get(key);
    if (known !== undefined && options.clock() < known.endsAtMs) return known.priceMsat;
    kept.delete(key);
    const priceMsat = await ask(question, bodyHashHex, options);
    if (cacheSeconds > 0) {
      if (kept.size >= MOST_ANSWERS_KEPT) kept.delete(kept.keys().next().value!);
      kept.set(key, { priceMsat, endsAtMs: options.clock() + cacheSeconds * 1000 });
    }
    return priceMsat;
  };
}

async function ask({ service, body, timeoutMs }: PriceQuestion, bodyHashHex: string, options: PricingOptions): Promise<Msat> {
  const { secret, bindingOf, hmac, clock, random } = options;
  if (secret === undefined) throw new Error('there is no PRICING_SECRET');
  const binding = bindingOf(service);
  const url = binding === undefined ? service : BINDING_URL;
  const { pathname } = new URL(url);
  const time = String(Math.floor(clock() / 1000));
  const nonceHex = formatHex(random(16));
  const lines = ['l402-pricing v1', 'POST', pathname, bodyHashHex, time, nonceHex];
  const signature = await hmac(
    secret,
    concatBytes(...lines.map((line) => encodeAscii(line)).flatMap((line) => [line, Uint8Array.of(0x0a)])),
  );
  const request: RequestInit = {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-l402-pricing-time': time,
      'x-l402-pricing-nonce': nonceHex,
      'x-l402-pricing-signature': formatHex(signature),
    },
    body,
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  };
  const response = await (binding === undefined ? fetch(url, request) : binding.fetch(url, request));
  const text = await response.text();
  if (response.status !== 200) throw new Error(`the pricing service answered ${response.status}`);
  const price = text.length > LARGEST_ANSWER ? undefined : readAnswer(text);
  if (price === undefined) throw new Error('the pricing service sent an answer that is not { "price_msat": "…" }');
  return price;
}

/** Reads an answer of exactly one field; any other answer is invalid. */
function readAnswer(text: string): Msat | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof answer !== 'object' || answer === null) return undefined;
  const [[key, value] = [], ...others] = Object.entries(answer);
  return key === 'price_msat' && typeof value === 'string' && others.length === 0 ? parseMsat(value) : undefined;
}

async function hashHex(text: string): Promise<string> {
  return formatHex(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}
