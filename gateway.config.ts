/*
 * What is sold. This one sells the sample API that `npm start` brings along, for which its origin stands (nothing listens there);
 * make both origin and routes yours.
 */
import { defineGateway } from 'l402-edge/config';

export const gateway = defineGateway({
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
});
