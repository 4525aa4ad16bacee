/*
 * Calls that the origin did not answer: what is said of the payment is what is true of it (M16).
 */
import { describe, expect, it } from 'vitest';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { testGateway } from '#support/test-gateway.ts';
import { makeToken } from '#support/tokens.ts';
import { openGateway } from './front-door.ts';

const unreachable: GateDeps['origin'] = () => Promise.reject(new Error('refused'));
/** Answers never, and gives in when it is told to. */
const silent: GateDeps['origin'] = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
const atOnce: GateDeps['wait'] = () => Promise.resolve();

/** What a caller is told, and what was logged as the sale. */
async function buy(parts: Partial<GateDeps>, init: RequestInit = {}) {
  const door = openGateway(testGateway, { parts });
  const { authorization } = await makeToken({ service: 'call' });
  const response = await door.ask('/call/unanswered', { ...init, headers: { authorization } });
  const { status, headers } = response;
  const sale = door.logged.find(([event]) => event === 'sale')?.[1];
  const told = { status, remaining: headers.get('l402-remaining'), retryAfter: headers.get('retry-after'), sale: sale?.['outcome'] };
  return { response, told };
}

type Body = { readonly code: string; readonly hint: string; readonly remaining?: number; readonly retry_after_seconds?: number };

describe('a paid call without an answer', () => {
  it('M16: says that the payment is still good when it was released', async () => {
    const { response, told } = await buy({ origin: unreachable });
    expect(told).toEqual({ status: 502, remaining: '1', retryAfter: '5', sale: 'released' });
    const body = await response.json<Body>();
    expect(body).toMatchObject({ code: 'origin_unreachable', remaining: 1, retry_after_seconds: 5 });
    expect(body.hint).toContain('still good');
  });
});

describe('a free call without an answer', () => {
  it.each([
    ['unreachable', { origin: unreachable }, { status: 502, code: 'origin_unreachable' }],
    ['too slow', { origin: silent, wait: atOnce }, { status: 504, code: 'origin_timeout' }],
  ])('speaks of no payment when the origin was %s', async (_, parts, { status, code }) => {
    const response = await openGateway(testGateway, { parts }).ask('/free/unanswered');
    expect([response.status, response.headers.get('retry-after'), response.headers.has('l402-remaining')]).toEqual([status, '5', false]);
    const body = await response.json<Body>();
    expect(body).toMatchObject({ code });
    expect(body.hint).toContain('Nothing was charged');
  });
});
