/*
 * What the survival suite sells, and the short lease that it is sold under: a call whose outcome nobody has told is good
 * again after seconds, not after the origin's time and a minute.
 */
import { defineGateway } from '#src/config/config.ts';
import { MANY_CHALLENGES } from '#support/fakes.ts';

/** Longer than any call of the suite takes, and short enough to wait for. */
export const LEASE_MS = 5000;
export const CALLS_SOLD = 20;
export const CREDIT_SATS = 100;
export const CHEAP_SATS = 10;
export const DEAR_SATS = 35;
/** For races: more than is ever tried at once. */
export const BULK_CALLS = 200;

/** The first byte of a payment hash says whether its invoice was made before anyone asked. */
export const MADE_AHEAD = 0xaa;

/** Routes that are described so sell nothing new: whoever has used up a payment there costs no invoice. */
export const SOLD_OUT = 'sold out';

/** What races are for is what is refused: after the first few nobody is offered anything there. */
const scarce = { perMinute: 1, open: 1, totalPerMinute: 16, totalOpen: 16 } as const;
const soldOut = { description: SOLD_OUT, policy: { challenges: { ...scarce, overQuota: 'refuse', afterPayment: scarce } } } as const;

const credit = { service: 'credit', access: { creditSats: CREDIT_SATS } } as const;

/** A route for each kind of access that is counted, a pass, and one that is free. */
export const survivalGateway = defineGateway({
  origin: 'http://127.0.0.1:1',
  originTimeoutSeconds: 10,
  graceHours: 24 * 40,
  // Who says nothing of where it comes from is one client with all others.
  clientAddress: { trustedHops: 1 },
  pool: { low: 1600, high: 16_000 },
  // Origins fail by intent.
  policy: { breaker: false, challenges: MANY_CHALLENGES },
  routes: [
    { match: 'GET /free', free: true },
    { match: '/call/*', service: 'call', priceSats: 1 },
    { match: '/calls/*', service: 'calls', priceSats: 10, access: { calls: CALLS_SOLD } },
    { match: '/bulk/*', service: 'bulk', priceSats: 10, access: { calls: BULK_CALLS } },
    { match: '/pass/*', service: 'pass', priceSats: 5, access: { seconds: 3600 } },
    { match: '/credit/cheap/*', ...credit, priceSats: CHEAP_SATS },
    { match: '/credit/dear/*', ...credit, priceSats: DEAR_SATS },
    // With the quota of a gateway of which nothing is said.
    { match: '/flood/*', service: 'flood', priceSats: 1, policy: { challenges: {} } },
    { match: '/race/call/*', service: 'call', priceSats: 1, ...soldOut },
    { match: '/race/bulk/*', service: 'bulk', priceSats: 10, access: { calls: BULK_CALLS }, ...soldOut },
    { match: '/race/credit/cheap/*', ...credit, priceSats: CHEAP_SATS, ...soldOut },
  ],
});
