/* What the tests with a real Lightning node sell: one thing of each kind. */
import { defineGateway } from '#src/config/config.ts';
import { MANY_CHALLENGES } from '#support/fakes.ts';

export const LND_SHOP = defineGateway({
  origin: 'http://127.0.0.1:1',
  settlementFeed: true,
  // All buyers of these tests are one address.
  policy: { challenges: MANY_CHALLENGES },
  routes: [
    { match: 'GET /call/*', service: 'call', priceSats: 10, description: 'One call' },
    { match: 'GET /calls/*', service: 'calls', priceSats: 20, access: { calls: 10 } },
    { match: 'GET /pass/*', service: 'pass', priceSats: 50, access: { seconds: 3600 } },
    // More than the buyer of these tests has.
    { match: 'GET /dear/*', service: 'dear', priceSats: 15_500_000 },
  ],
});
