/*
 * The gate inside workerd: real Durable Objects, fakes for our own ports. Every refusal is produced through the front door.
 */
import { abortAllDurableObjects, createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterAll, describe, expect, it } from 'vitest';
import { createDurableClaims } from '#adapters/do-claims.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { SITUATION_CODES, SITUATIONS, type Situation, type SituationCode } from '#gateway/refusals.ts';
import { formatBase64 } from '#protocol/bytes.ts';
import { addCaveat } from '#protocol/macaroon.ts';
import { formatToken, parseToken } from '#protocol/macaroon-codec.ts';
import { accept, refuse } from '#protocol/result.ts';
import { createKeyRing } from '#schemes/key-ring.ts';
import { createApp } from '#src/app.ts';
import { readConfig } from '#src/config.ts';
import { testGateway } from '#support/test-gateway.ts';
import { hmac, makeToken, OTHER_SECRET, TOKEN_SECRET_HEX } from '#support/tokens.ts';

const VARIABLES = {
  BRIDGE_URL: 'http://127.0.0.1:1',
  NETWORK: 'regtest',
  TOKEN_SECRET_1: TOKEN_SECRET_HEX,
  BRIDGE_SECRET: 'b1'.repeat(32),
};
const config = readConfig(testGateway, VARIABLES);
if (!config.ok) throw new Error(config.refusal.join('; '));
const { settings, tokenKeys } = config.value;
const namespace = (env as unknown as { REPLAY_SET: DurableObjectNamespace<ReplaySet> }).REPLAY_SET;
const clock = () => Date.now();

function makeDeps(changes: Partial<GateDeps> = {}): GateDeps {
  return {
    settings,
    lightning: { mint: () => Promise.reject(new Error('the node is down')) },
    claims: createDurableClaims(namespace),
    keys: createKeyRing({ ...tokenKeys, skewSeconds: settings.skewSeconds, hmac, clock }),
    hmac,
    origin: () => Promise.resolve(new Response('origin')),
    clock,
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    wait: () => new Promise(() => undefined),
    log: () => undefined,
    ...changes,
  };
}

/** Version, and the location that every token of ours has. */
const LSAT = [2, 1, 4, 0x6c, 0x73, 0x61, 0x74];

/** A request through the whole application, with the reason that was logged or answered. */
async function ask(path: string, init: RequestInit = {}, changes: Partial<GateDeps> = {}) {
  const context = createExecutionContext();
  const deps = makeDeps(changes);
  const response = await createApp(accept(deps), deps.log).fetch(new Request(`http://gateway.test${path}`, init), env, context);
  await waitOnExecutionContext(context);
  return response;
}

describe('a lease whose object is reset', () => {
  it('M10: is finished by reservation id on a new stub; the origin sees one call, and the payment is spent', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    let calls = 0;
    const origin = async () => {
      calls += 1;
      await abortAllDurableObjects();
      return new Response('done');
    };
    const faults: string[] = [];
    const log: GateDeps['log'] = (event) => void (event === 'fault' && faults.push(event));
    const answer = await ask('/call/reset-object', { headers: { authorization } }, { origin, log });
    expect([answer.status, faults]).toEqual([200, []]);
    const again = await ask('/call/reset-object', { headers: { authorization } }, { origin, log });
    // The node is down: what matters is that the payment was found spent and nothing was forwarded.
    expect(again.status).toBe(503);
    expect(calls).toBe(1);
  });

  it('M11: a client that goes away is counted when no answer comes in 25 seconds', async () => {
    const { authorization } = await makeToken({ service: 'call' });
    const gone = new AbortController();
    const waits: { ms: number; done: () => void }[] = [];
    const wait = (ms: number) => new Promise<void>((done) => void waits.push({ ms, done }));
    const origin = (request: Request) =>
      new Promise<Response>((_, reject) => {
        request.signal.addEventListener('abort', () => reject(new Error('aborted')));
        gone.abort();
        queueMicrotask(() => waits.find(({ ms }) => ms === 25_000)?.done());
      });
    const reached: unknown[] = [];
    const log: GateDeps['log'] = (event, fields) => void (event === 'sale' && reached.push(fields['outcome'], fields['origin']));
    await ask('/call/gone', { headers: { authorization }, signal: gone.signal }, { origin, wait, log });
    expect(reached).toEqual(['counted', 'given_up']);
  });
});

describe('every refusal', () => {
  const produced = new Set<SituationCode>();

  /** What the caller of the front door gets, or for a credential the reason for which it would have to pay. */
  async function reasonOf(path: string, init: RequestInit = {}, changes: Partial<GateDeps> = {}): Promise<SituationCode> {
    const response = await ask(path, init, changes);
    const { code, status } = await response.clone().json<{ code: SituationCode; status: number }>();
    expect(response.status).toBe(status);
    produced.add(code);
    return code;
  }

  it('M17: a credential problem is answered with a challenge, in the order in which it is found', async () => {
    const { startEmbedded } = await import('./embedded-mint.ts');
    const lightning = startEmbedded();
    const reason = async (authorization: string, path = '/call/x') => {
      const response = await ask(path, { headers: { authorization } }, { lightning });
      expect(response.status).toBe(402);
      expect(response.headers.get('www-authenticate')).toMatch(/^L402 macaroon="[^"]+", invoice="lnbcrt/);
      const { code } = await response.json<{ code: SituationCode }>();
      produced.add(code);
      return code;
    };
    const good = await makeToken({ service: 'call' });
    const zeros = '00'.repeat(32);
    const macaroon = parseToken(good.token);
    if (!macaroon.ok) throw new Error('unreadable');
    const withCaveat = async (text: string) => {
      const changed = await addCaveat(macaroon.value, { caveat: new TextEncoder().encode(text), hmac });
      return good.authorization.replace(good.token, formatToken(changed));
    };
    const of = async (options: Parameters<typeof makeToken>[0]) => (await makeToken(options)).authorization;
    const nowHours = Math.floor(Date.now() / 3_600_000);
    expect(await reason('Bearer other')).toBe('payment_required');
    expect(await reason(`L402 ${good.token}`)).toBe('preimage_missing');
    expect(await reason(`L402 ${good.token}:12`)).toBe('preimage_malformed');
    expect(await reason(`L402 ${good.token}:${zeros}`)).toBe('preimage_wrong');
    expect(await reason(`L402 AAAA:${zeros}`)).toBe('token_malformed');
    expect(await reason(`L402 ${'A'.repeat(9000)}:${zeros}`)).toBe('token_too_large');
    expect(await reason(`L402 ${btoa('0012location L402')}:${zeros}`)).toBe('token_version_unsupported');
    const thirdParty = [...LSAT, 2, 1, 65, 0, 1, 1, 66, 2, 1, 67, 4, 1, 68, 0, 0, 6, 32, ...new Uint8Array(32)];
    expect(await reason(`L402 ${formatBase64(Uint8Array.from(thirdParty))}:${zeros}`)).toBe('token_third_party_caveat');
    const crowd = [...LSAT, 2, 1, 65, 0, ...Array.from({ length: 33 }, () => [2, 1, 67, 0]).flat(), 0, 6, 32, ...new Uint8Array(32)];
    expect(await reason(`L402 ${formatBase64(Uint8Array.from(crowd))}:${zeros}`)).toBe('token_too_many_caveats');
    const short = [...LSAT, 2, 1, 65, 0, 0, 6, 32, ...new Uint8Array(32)];
    expect(await reason(`L402 ${formatBase64(Uint8Array.from(short))}:${zeros}`)).toBe('identifier_malformed');
    const otherLayout = { ...macaroon.value, identifier: macaroon.value.identifier.slice() };
    otherLayout.identifier[34] = 9;
    expect(await reason(good.authorization.replace(good.token, formatToken(otherLayout)))).toBe('token_layout_unknown');
    expect(await reason(await of({ service: 'call', id: { keyId: 7 } }))).toBe('token_key_unknown');
    const future = { startHours: nowHours + 48, lengthHours: 24 };
    expect(await reason(await of({ service: 'call', id: { epoch: future } }))).toBe('token_epoch_out_of_range');
    expect(await reason(await of({ service: 'call', secret: OTHER_SECRET }))).toBe('signature_wrong');
    expect(await reason(await withCaveat('services=oops'))).toBe('caveat_malformed');
    expect(await reason(await withCaveat('services=call:9'))).toBe('caveat_widens');
    expect(await reason(await withCaveat(`preimage=${zeros}`))).toBe('preimage_caveat_wrong');
    expect(await reason(good.authorization, '/premium')).toBe('service_wrong');
    expect(await reason(await of({ service: 'tiered' }), '/tiers/high')).toBe('tier_too_low');
    expect(await reason(await of({ service: 'tiered', terms: { tier: 2, capabilities: ['read'] } }), '/tiers/write')).toBe(
      'capability_missing',
    );
    expect(await reason(await of({ service: 'call', terms: { validUntilSeconds: 1 } }))).toBe('token_expired');
    expect(await reason(await of({ service: 'premium', terms: { paidMsat: 1000n as never } }), '/premium')).toBe('payment_too_small');
    const five = await Promise.all(Array.from({ length: 5 }, () => of({ service: 'call' })));
    expect(await reason(five.join(', '))).toBe('too_many_tokens');
    await ask('/call/x', { headers: { authorization: good.authorization } });
    expect(await reason(good.authorization)).toBe('payment_spent');
    const { cutShort, withoutTerms } = await import('./odd-tokens.ts');
    expect(await reason(await cutShort())).toBe('minter_caveats_missing');
    expect(await reason(await withoutTerms())).toBe('terms_missing');
  });

  it('M17: a malformed request, a closed route or a part that is down is never answered with a challenge', async () => {
    expect(await reasonOf('/call//x')).toBe('path_malformed');
    expect(await reasonOf('/Premium')).toBe('path_ambiguous');
    expect(await reasonOf('/agent?svc=a&svc=b')).toBe('parameter_ambiguous');
    const grpc = await ask('/call/x', { method: 'POST', headers: { 'content-type': 'application/grpc+proto' } });
    expect([grpc.status, grpc.headers.get('grpc-status'), await grpc.text()]).toEqual([200, '12', '']);
    produced.add('grpc_unsupported');
    expect(await reasonOf('/planned', { headers: { 'x-plan': 'basic, pro' } })).toBe('header_ambiguous');
    expect(await reasonOf(',other.test/call/x')).toBe('host_malformed');
    const large = { method: 'POST', body: 'a'.repeat(17), headers: { 'content-length': '17' } };
    expect(await reasonOf('/small/x', large)).toBe('body_too_large');
    expect(await reasonOf('/zone/x', { headers: { 'x-l402-via': 'gateway.test' } })).toBe('loop_detected');
    expect(await reasonOf('/call/x', { headers: { authorization: 'a'.repeat(40_000) } })).toBe('header_too_large');
    expect(await reasonOf('/nowhere')).toBe('route_unknown');
    expect(await reasonOf('/closed/x')).toBe('route_closed');
    expect(await reasonOf('/premium')).toBe('node_unavailable');
    const paid = async () => ({ headers: { authorization: (await makeToken({ service: 'call' })).authorization } });
    const reserve = () => Promise.reject(new Error('object gone'));
    expect(await reasonOf('/call/x', await paid(), { claims: { reserve } })).toBe('claims_unavailable');
    const inFlight = () => Promise.resolve({ kind: 'in_flight', retryAfterSeconds: 1 } as const);
    expect(await reasonOf('/call/x', await paid(), { claims: { reserve: inFlight } })).toBe('claim_in_flight');
    const cooling = () => Promise.resolve({ kind: 'cooling', retryAfterSeconds: 10 } as const);
    expect(await reasonOf('/call/x', await paid(), { claims: { reserve: cooling } })).toBe('payment_cooling');
    const broken = () => Promise.reject(new Error('reset'));
    expect(await reasonOf('/call/x', await paid(), { origin: broken })).toBe('origin_unreachable');
    const slow = (request: Request) =>
      new Promise<Response>((_, reject) => request.signal.addEventListener('abort', () => reject(new Error('slow'))));
    expect(await reasonOf('/call/x', await paid(), { origin: slow, wait: () => Promise.resolve() })).toBe('origin_timeout');
    const failing = {
      random: () => {
        throw new Error('no randomness');
      },
    };
    expect(await reasonOf('/call/x', await paid(), failing)).toBe('internal_fault');
    const app = createApp(refuse(['ORIGIN_URL: missing']), () => undefined);
    const unconfigured = await app.fetch(new Request('http://gateway.test/'), env, createExecutionContext());
    const { code } = await unconfigured.json<{ code: SituationCode }>();
    expect([unconfigured.status, code]).toEqual([500, 'config_invalid']);
    produced.add(code);
  });

  afterAll(() => {
    // TRACE cannot be made with fetch: the tests over raw sockets send it.
    const missing = SITUATION_CODES.filter((code) => !produced.has(code) && code !== 'method_unsupported');
    expect(missing).toEqual([]);
    for (const code of produced) expect((SITUATIONS[code] as Situation).title).not.toBe('');
  });
});
