/*
 * A call of a sold route that is given away (`freeCalls`): its answer is as private as one that was paid for, or the next cache
 * would give it to those who have no free calls left.
 */
import { describe, expect, it } from 'vitest';
import { openGateway } from './front-door.ts';

const freeCalls = { calls: 3, seconds: 3600, total: 1600 };

/** The head of an answer that the origin would have kept by everyone. */
async function headOf(path: string) {
  const headers = { 'cache-control': 'public, max-age=600, s-maxage=60', 'cdn-cache-control': 'max-age=60', 'l402-remaining': '7' };
  const origin = () => Promise.resolve(new Response('origin', { headers }));
  const routes = [
    { match: 'GET /sold', service: 'sold', priceSats: 1, policy: { freeCalls } },
    { match: 'GET /free', free: true as const },
  ];
  const answer = await openGateway({ routes }, { parts: { origin } }).ask(path);
  return [answer.status, ...['cache-control', 'cdn-cache-control', 'l402-remaining'].map((name) => answer.headers.get(name))];
}

describe('a free call', () => {
  it('M20: of a route that is sold is kept by no shared cache, and the origin says nothing of payments in it', async () => {
    expect(await headOf('/sold')).toEqual([200, 'private, max-age=600', null, null]);
  });

  it('of a route that is free goes out as the origin sends it', async () => {
    expect((await headOf('/free')).slice(0, 3)).toEqual([200, 'public, max-age=600, s-maxage=60', 'max-age=60']);
  });
});
