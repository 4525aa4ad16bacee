/*
 * A marketplace: one path, and the parameter `svc` says which service is bought. Each has its own price, token and origin.
 */
import { defineGateway } from 'l402-edge/config';

export const gateway = defineGateway({
  routes: [
    { match: 'GET /services', origin: 'https://market.example.com', free: true },
    {
      match: 'POST /agent',
      query: { svc: 'privacy-audit' },
      service: 'privacy-audit',
      origin: 'https://audit.example.com',
      rewrite: '/run',
      // The audit has a key of its own, which no client gets to see: wrangler secret put AUDIT_KEY
      setHeaders: { 'x-api-key': { secret: 'AUDIT_KEY' } },
      maxBodyBytes: 65_536,
      priceSats: 21,
      description: 'Privacy audit of a text',
    },
    {
      match: 'GET /agent',
      query: { svc: 'cycle' },
      service: 'cycle',
      origin: 'https://signals.example.com',
      priceSats: 100,
      access: { calls: 12 },
      description: 'Cycle signal, 12 calls',
    },
    {
      match: 'GET /agent',
      query: { svc: 'data' },
      service: 'data',
      origin: 'https://data.example.com',
      price: { parameter: 'rows', unitSats: 0.5, max: 10_000 },
      minSats: 1,
      maxSats: 5000,
      description: 'Rows of data',
    },
  ],
});
