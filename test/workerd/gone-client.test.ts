/*
 * A client that goes away while its payment is being claimed: the origin is not called, and the payment keeps its use (M11).
 */
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { createDurableClaims } from '#adapters/do-claims.ts';
import { RELEASES_BEFORE_COOLING } from '#durable-objects/claim-rules.ts';
import { type Env } from '#src/deps.ts';
import { type Claims } from '#src/ports.ts';
import { testGateway } from '#support/test-gateway.ts';
import { makeToken } from '#support/tokens.ts';
import { codeOf, openGateway } from './front-door.ts';

/** The real claims, and a client that goes away once its claim has been granted. */
function leaveDuringClaim() {
  const claims = createDurableClaims((env as unknown as Required<Env>).REPLAY_SET);
  let leave = () => undefined as void;
  let asked = 0;
  const reserve: Claims['reserve'] = async (order) => {
    asked += 1;
    const answer = await claims.reserve(order);
    leave();
    return answer;
  };
  const door = openGateway(testGateway, { parts: { claims: { reserve } } });
  const use = async (authorization: string, { goes, path = '/call/gone' }: { goes: boolean; path?: string }) => {
    const gone = new AbortController();
    leave = goes ? () => gone.abort() : () => undefined;
    const response = await door.ask(path, { headers: { authorization }, signal: gone.signal });
    return (await codeOf(response.clone())) ?? response.status;
  };
  return { door, use, asked: () => asked };
}

describe('a client that goes away while its payment is claimed', () => {
  it('M11: has its call neither sent nor counted, and the payment is good for the next', async () => {
    const { door, use } = leaveDuringClaim();
    const { authorization } = await makeToken({ service: 'call' });
    expect(await use(authorization, { goes: true })).toBe('client_gone');
    expect(door.seen).toEqual([]);
    expect(await use(authorization, { goes: false })).toBe(200);
    expect(door.seen).toEqual(['/call/gone']);
  });

  it('M11 M12: waits when it has done so three times in a row: nobody keeps a claim object busy for nothing', async () => {
    const { door, use } = leaveDuringClaim();
    const { authorization } = await makeToken({ service: 'call' });
    for (let times = 0; times < RELEASES_BEFORE_COOLING; times++) expect(await use(authorization, { goes: true })).toBe('client_gone');
    expect(await use(authorization, { goes: false })).toBe('payment_cooling');
    expect(door.seen).toEqual([]);
  });

  it('M11: has its payment told once all the same, because the seller has it', async () => {
    const { door, use } = leaveDuringClaim();
    const { authorization } = await makeToken({ service: 'pack', terms: { access: { kind: 'calls', calls: 3 } } });
    expect(await use(authorization, { goes: true, path: '/pack/gone' })).toBe('client_gone');
    for (let call = 0; call < 3; call++) expect(await use(authorization, { goes: false, path: '/pack/gone' })).toBe(200);
    const told = (event: string) => door.logged.filter(([name]) => name === event).length;
    expect([told('payment'), told('use')]).toEqual([1, 3]);
  });

  it('M11: is not even asked about when it had gone before', async () => {
    const { door, asked } = leaveDuringClaim();
    const { authorization } = await makeToken({ service: 'call' });
    const response = await door.ask('/call/gone', { headers: { authorization }, signal: AbortSignal.abort() });
    expect([await codeOf(response), asked(), door.seen]).toEqual(['client_gone', 0, []]);
  });
});
