/*
 * Preflights of free routes, which the origin answers by its own policy: they go there by the way of every free call, with its
 * policies and limits, so that none of these can be passed by with an `OPTIONS`.
 */
import { describe, expect, it } from 'vitest';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { fakeControl, openPolicies } from '#support/fakes.ts';
import { type Gateway } from '#src/config/config.ts';
import { from, openGateway } from './front-door.ts';

/** A preflight from 192.0.2.1, and whether the origin got to see it. */
async function preflight(route: object, { parts = {}, gateway = {} }: { parts?: Partial<GateDeps>; gateway?: Gateway } = {}) {
  const door = openGateway({ ...gateway, routes: [{ match: 'GET /free', free: true, ...route }] }, { parts });
  const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' };
  const response = await door.ask('/free', { method: 'OPTIONS', ...from('192.0.2.1', headers) });
  return [response.status, door.seen.length];
}

const down = new Map([['http://127.0.0.1:1', Infinity]]);
const rateOver = { take: () => Promise.resolve({ allowed: false, retryAfterSeconds: 1, readings: [] }) };

describe('a preflight of a free route', () => {
  it('goes to the origin', async () => {
    expect(await preflight({})).toEqual([200, 1]);
  });

  it.each<[string, object, Parameters<typeof preflight>[1]]>([
    ['that is closed to the client', { policy: { block: { cidrs: ['192.0.2.0/24'] } } }, {}],
    [
      'under maintenance',
      {},
      { parts: { ...openPolicies(), control: fakeControl({ maintenances: [{ route: '*', fromSeconds: 0, extendsPasses: false }] }) } },
    ],
    ['whose origin is down', {}, { parts: { ...openPolicies(), control: fakeControl({ openUntilMs: down }) } }],
  ])('D17 D25: %s is answered here, and the page then reads in the answer to its call why', async (_, route, options) => {
    expect(await preflight(route, options)).toEqual([204, 0]);
  });

  it('D21: counts as a call of its route', async () => {
    const route = { policy: { rate: { calls: 1, seconds: 60 } } };
    expect(await preflight(route, { parts: { ...openPolicies(), rates: rateOver } })).toEqual([429, 0]);
  });

  it('D25: waits for a place at the origin', async () => {
    const gateway = { policy: { concurrency: { most: 1 } } };
    const places = { enter: () => Promise.resolve(undefined) };
    expect(await preflight({}, { gateway, parts: { ...openPolicies(), places } })).toEqual([503, 0]);
  });
});
