/*
 * Free to try: each client has some calls a day for nothing, then every call is paid for.
 */
import { defineGateway } from 'l402-edge/config';

export const gateway = defineGateway({
  origin: 'https://api.example.com',
  policy: {
    // Per client and service; `total` caps all clients together.
    freeCalls: { calls: 20, seconds: 86_400, total: 16_000 },
  },
  routes: [
    { match: 'GET /v1/rates/:currency', service: 'rates', priceSats: 2, description: 'One exchange rate' },
    { match: 'GET /v1/rates', service: 'rates', priceSats: 2, description: 'All exchange rates' },
    // Too expensive to give away.
    {
      match: 'POST /v1/forecast',
      service: 'forecast',
      priceSats: 100,
      access: { calls: 10 },
      maxBodyBytes: 65_536,
      policy: { freeCalls: false },
      description: 'Forecast, 10 calls',
    },
  ],
});
