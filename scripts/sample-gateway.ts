/*
 * The content of gateway.config.ts as shipped, to distinguish it from a seller's own. A test compares the two. Pure data.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Gateway } from '#src/config/config.ts';

export const SAMPLE_GATEWAY = {
  origin: 'http://127.0.0.1:8403',
  routes: [
    { match: 'GET /health', free: true },
    { match: 'GET /greeting', priceSats: 1, description: 'A greeting' },
    { match: 'POST /privacy-audit', priceSats: 21, description: 'Privacy audit of a text' },
    { match: 'GET /v1/data/:series', priceSats: 5, description: 'Data query' },
    { match: 'GET /agent', query: { svc: 'primes' }, service: 'primes', priceSats: 3, description: 'Prime factors' },
    { match: 'GET /agent', query: { svc: 'cycle' }, service: 'cycle', priceSats: 10, description: 'Cycle signal' },
    { match: '/admin/*', closed: true },
  ],
} as const satisfies Gateway;

/** Whether the origin is still the shipped one: nothing listens there, it represents the API that `npm start` starts. */
export function hasSampleOrigin(gateway: unknown): boolean {
  return (gateway as Partial<Gateway> | null)?.origin === SAMPLE_GATEWAY.origin;
}

/** Whether the routes are exactly the shipped ones: they sell the sample API and fit no other. */
export function hasSampleRoutes(gateway: unknown): boolean {
  return isDeepStrictEqual((gateway as Partial<Gateway> | null)?.routes, SAMPLE_GATEWAY.routes);
}
