/*
 * A crowd that has not paid, at the places of an origin: it keeps nobody out who has (M22).
 */
import { describe, expect, it } from 'vitest';
import { makeToken } from '#support/tokens.ts';
import { openGateway } from './front-door.ts';

describe('one who has paid', () => {
  it('M22: finds a place at an origin whose free calls are slow and many', async () => {
    const hanging: (() => void)[] = [];
    const origin = ({ url }: Request) =>
      url.endsWith('/free')
        ? new Promise<Response>((resolve) => hanging.push(() => resolve(new Response('free'))))
        : Promise.resolve(new Response('sold'));
    const routes = [
      { match: 'GET /free', free: true as const },
      { match: 'GET /sold', service: 'sold', priceSats: 1 },
    ];
    const policy = { concurrency: { most: 4, mostWaiting: 0 } };
    const door = openGateway({ policy, routes }, { parts: { origin } });
    const crowd = Array.from({ length: 8 }, () => door.open('/free'));
    const { authorization } = await makeToken({ service: 'sold' });
    const paid = await door.ask('/sold', { headers: { authorization } });
    expect([paid.status, await paid.text()]).toEqual([200, 'sold']);
    for (const answer of hanging) answer();
    const statuses = (await Promise.all(crowd)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 200, 200, 503, 503, 503, 503, 503]);
  });
});
