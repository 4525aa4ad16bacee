/*
 * PRICE_SATS in place of the prices of the seller's file: what is closed there stays closed.
 */
import { describe, expect, it } from 'vitest';
import { openGateway } from './front-door.ts';

const gateway = {
  routes: [
    { match: 'GET /health', free: true as const },
    { match: 'GET /admin/health', service: 'watch', priceSats: 9 },
    { match: '/admin/*', closed: true as const },
    { match: '/agent', query: { svc: 'internal' }, closed: true as const },
    { match: 'GET /v1/*', service: 'v1', priceSats: 7 },
  ],
};

describe('everything at one price', () => {
  it.each(['/admin', '/admin/', '/admin/users', '/admin/health', '/agent?svc=internal'])(
    'M17: is not for sale at what is closed: %s',
    async (path) => {
      const door = openGateway(gateway, { variables: { PRICE_SATS: '3' } });
      for (const method of ['GET', 'POST', 'DELETE']) expect([method, (await door.ask(path, { method })).status]).toEqual([method, 403]);
      expect(door.seen).toEqual([]);
    },
  );

  it.each([
    ['/ADMIN/users', 400],
    ['/agent?svc=INTERNAL', 400],
  ])('M25 M42: nor under another spelling of that: %s', async (path, status) => {
    const door = openGateway(gateway, { variables: { PRICE_SATS: '3' } });
    expect([(await door.ask(path)).status, door.seen]).toEqual([status, []]);
  });

  it('is for all the rest, also for what was free', async () => {
    const door = openGateway(gateway, { variables: { PRICE_SATS: '3' } });
    // The node is down here: a 503 is on its way to an invoice.
    for (const path of ['/health', '/v1/x', '/else', '/agent']) expect([path, (await door.ask(path)).status]).toEqual([path, 503]);
    expect(door.seen).toEqual([]);
  });
});
