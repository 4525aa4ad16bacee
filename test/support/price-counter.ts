/*
 * A counter with one thing on sale: what a request costs there, without a gateway round it.
 */
import { type PriceSources } from '#gateway/pricing/ask-price.ts';
import * as z from 'zod/mini';
import { createHeldBodies } from '#gateway/request/held-body.ts';
import { readRequestFacts } from '#gateway/request/request-facts.ts';
import { compileRoutes, findRoute } from '#gateway/routing/find-route.ts';
import { quoteSale, type QuoteOutcome } from '#gateway/pricing/quote.ts';
import { gatewayPolicyKeys } from '#src/config/policy.ts';
import { prepareRoutes, type RouteConfig } from '#src/config/route.ts';

const UPSTREAM = { origin: 'http://origin.test', timeoutSeconds: 25, zoneHosts: [], variables: {} } as const;

const never = () => new Promise<never>(() => undefined);

/** Quotes a request at a gateway that sells one thing, and keeps what was logged. */
export function openCounter(route: Partial<RouteConfig>, changes: Partial<PriceSources> = {}) {
  const gateway = z.object(gatewayPolicyKeys).parse({});
  const prepared = prepareRoutes([{ match: '/*', ...route }], { smallestInvoiceMsat: 1n, upstream: UPSTREAM, gateway });
  if (!prepared.ok) throw new Error(prepared.refusal.join('; '));
  const table = compileRoutes(prepared.value);
  const logged: unknown[] = [];
  const ask = (path: string, init: RequestInit = {}): QuoteOutcome | Promise<QuoteOutcome> => {
    const request = new Request(`http://shop.test${path}`, init);
    const facts = readRequestFacts(request);
    if (!facts.ok) throw new Error(facts.refusal.detail);
    const sources: PriceSources = {
      request,
      readBody: (most) => createHeldBodies(never).read(request, { most, holder: { kind: 'unpaid', client: undefined } }),
      pricing: () => Promise.reject(new Error('nobody to ask')),
      wait: never,
      log: (_, fields) => void logged.push(fields['message']),
      ...changes,
    };
    const found = findRoute(table, facts.value);
    if (!found.ok) return found;
    const { sale, upstream } = found.value;
    if (sale.kind !== 'paid' || upstream === undefined) throw new TypeError('route: one that is sold');
    return quoteSale({ route: found.value, sale, upstream }, facts.value, sources);
  };
  const quote = async (path: string, init?: RequestInit) => {
    const outcome = await ask(path, init);
    if (!outcome.ok) return outcome.refusal.code;
    const { priceMsat, digest } = outcome.value.quote;
    return { priceMsat, digest, body: outcome.value.body };
  };
  const price = async (path: string, init?: RequestInit) => {
    const quoted = await quote(path, init);
    return typeof quoted === 'string' ? quoted : quoted.priceMsat;
  };
  const digest = async (path: string, init?: RequestInit) => {
    const quoted = await quote(path, init);
    return typeof quoted === 'string' ? quoted : quoted.digest;
  };
  return { ask, quote, price, digest, logged };
}
