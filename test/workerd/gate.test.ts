/*
 * The gate inside workerd: real Durable Objects, fakes for our own ports. Every refusal is produced through the front door.
 */
import { abortAllDurableObjects, createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterAll, describe, expect, it } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { type Narrowing } from '#client/narrowing.ts';
import { digestRequest } from '#client/request-digest.ts';
import { createDurableClaims } from '#adapters/do-claims.ts';
import { createDurableSettlements } from '#adapters/do-settlements.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { PROBLEM_CODES, PROBLEM_TYPES, type ProblemType, type ProblemCode } from '#gateway/answers/refusals.ts';
import { createHeldBodies } from '#gateway/request/held-body.ts';
import { createRefusedClaims } from '#gateway/payment/refused-claims.ts';
import { createSettlement } from '#gateway/payment/settlement.ts';
import { formatBase64 } from '#protocol/bytes.ts';
import { formatCredential } from '#protocol/credential-header.ts';
import { addCaveat } from '#protocol/macaroon.ts';
import { formatToken, parseToken } from '#protocol/macaroon-codec.ts';
import { accept, refuse } from '#protocol/result.ts';
import { createKeyRing } from '#schemes/l402/key-ring.ts';
import { createL402Scheme } from '#schemes/l402/l402.ts';
import { createApp } from '#src/app.ts';
import { readConfig, type Gateway } from '#src/config/config.ts';
import { type Env } from '#src/deps.ts';
import { deadNode, fakeControl, openPolicies, openQuota, openSales } from '#support/fakes.ts';
import { makePush } from '#support/pushes.ts';
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
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

function makeDeps(changes: Partial<GateDeps> = {}): GateDeps {
  return {
    settings,
    ...openPolicies(),
    ...openSales(),
    lightning: deadNode,
    claims: createDurableClaims(namespace),
    refusedClaims: createRefusedClaims(),
    bodies: createHeldBodies(() => new Promise(() => undefined)),
    schemes: [createL402Scheme({ keys: createKeyRing({ ...tokenKeys, skewSeconds: settings.skewSeconds, hmac, clock }), hmac, random })],
    proveSettled: createSettlement(),
    pricing: () => Promise.reject(new Error('no pricing service')),
    origin: () => Promise.resolve(new Response('origin')),
    clock,
    random,
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
});

describe('a token that its holder has narrowed', () => {
  const enter = async (path: string, caveats: Narrowing | readonly string[], init: RequestInit = {}) => {
    const { token, preimage } = await makeToken({ service: 'call' });
    const authorization = formatCredential({ scheme: 'L402', token: await attenuate(token, caveats), preimage });
    const refusals: unknown[] = [];
    const log: GateDeps['log'] = (event, fields) => void (event === 'challenge' && refusals.push(fields['reason']));
    const lightning = (await import('./embedded-mint.ts')).startEmbedded();
    const { status } = await ask(path, { ...init, headers: { authorization } }, { log, lightning });
    return status === 402 ? refusals[0] : status;
  };

  it('M9: sends the body that was digested on to the origin, whole', async () => {
    const { token, preimage } = await makeToken({ service: 'call' });
    const body = 'a body of some length'.repeat(1000);
    const digest = await digestRequest({ url: 'http://gateway.test/call/one', method: 'POST', body });
    const authorization = formatCredential({ scheme: 'L402', token: await attenuate(token, { requestDigest: digest }), preimage });
    const origin: GateDeps['origin'] = async (request) => new Response(await request.text());
    const answer = await ask('/call/one', { method: 'POST', body, headers: { authorization } }, { origin });
    expect(await answer.text()).toBe(body);
  });

  it('P8: is good for what it was narrowed to, and refused beyond it', async () => {
    const soon = Math.floor(Date.now() / 1000) + 60;
    const narrowing = { validUntilSeconds: soon, notBeforeSeconds: 1, methods: ['GET'], pathPrefix: '/call/in', hosts: ['gateway.test'] };
    const limits = { maxCalls: 1, maxMsat: 1000n, maxMsatPerMonth: 1000n };
    expect(await enter('/call/in/scope', { ...narrowing, ...limits })).toBe(200);
    expect(await enter('/call/in/scope', narrowing, { method: 'HEAD' })).toBe(200);
    expect(await enter('/call/in/scope', narrowing, { method: 'POST', body: 'x' })).toBe('caveat_method');
    expect(await enter('/call/in', narrowing)).toBe(200);
    expect(await enter('/call/inner', narrowing)).toBe('caveat_path');
    expect(await enter('/call/in', { validUntilSeconds: 1 })).toBe('token_expired');
    const from = (clientIp: string) => ({ cf: { clientIp } }) as unknown as RequestInit;
    expect(await enter('/call/in', ['client=192.0.2.0/24'], from('192.0.2.7:4321'))).toBe(200);
    expect(await enter('/call/in', ['client=2001:db8::/32'], from('[2001:db8:1::7]:4321'))).toBe(200);
    expect(await enter('/call/in', ['client=192.0.2.0/24'], from('198.51.100.7:4321'))).toBe('caveat_client');
    expect(await enter('/call/in', ['client=0.0.0.0/0,::/0'])).toBe('caveat_client');
  });

  it('M9: is good for the one request whose digest it holds, body and all', async () => {
    const digest = await digestRequest({ url: 'http://gateway.test/call/one?n=1' });
    expect(await enter('/call/one?n=1', { requestDigest: digest })).toBe(200);
    expect(await enter('/call/one?n=2', { requestDigest: digest })).toBe('request_digest_wrong');
    expect(await enter('/call/one', { requestDigest: digest })).toBe('request_digest_wrong');
    expect(await enter('/call/one?n=1', { requestDigest: digest }, { method: 'DELETE' })).toBe('request_digest_wrong');
    const posted = await digestRequest({ url: 'http://gateway.test/call/one', method: 'POST', body: 'x' });
    expect(await enter('/call/one', { requestDigest: posted }, { method: 'POST', body: 'x' })).toBe(200);
    expect(await enter('/call/one', { requestDigest: posted }, { method: 'POST', body: 'y' })).toBe('request_digest_wrong');
    const large = 'x'.repeat((1 << 20) + 1);
    expect(await enter('/call/one', { requestDigest: posted }, { method: 'POST', body: large })).toBe(413);
    const empty = await digestRequest({ url: 'http://gateway.test/call/one', method: 'POST' });
    expect(await enter('/call/one', { requestDigest: empty }, { method: 'POST' })).toBe(200);
    expect(await enter('/call/one', { requestDigest: empty }, { method: 'POST', body: 'x' })).toBe('request_digest_wrong');
  });
});

describe('every refusal', () => {
  const produced = new Set<ProblemCode>();

  /** What the caller of the front door gets, or for a credential the reason for which it would have to pay. */
  async function reasonOf(path: string, init: RequestInit = {}, changes: Partial<GateDeps> = {}): Promise<ProblemCode> {
    const response = await ask(path, init, changes);
    const { code, status } = await response.clone().json<{ code: ProblemCode; status: number }>();
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
      const { code } = await response.json<{ code: ProblemCode }>();
      produced.add(code);
      return code;
    };
    const good = await makeToken({ service: 'call' });
    const zeros = '00'.repeat(32);
    const macaroon = parseToken(good.token);
    if (!macaroon.ok) throw new Error('unreadable');
    const withCaveats = async (...texts: readonly string[]) => {
      let changed = macaroon.value;
      for (const text of texts) changed = await addCaveat(changed, { caveat: new TextEncoder().encode(text), hmac });
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
    expect(await reason(await withCaveats('services=oops'))).toBe('caveat_malformed');
    expect(await reason(await withCaveats('services=call:9'))).toBe('caveat_widens');
    expect(await reason(await withCaveats(`preimage=${zeros}`))).toBe('preimage_caveat_wrong');
    expect(await reason(await withCaveats('not_before=99999999999'))).toBe('token_not_yet_valid');
    expect(await reason(await withCaveats('methods=POST'))).toBe('caveat_method');
    expect(await reason(await withCaveats('host=other.test'))).toBe('caveat_host');
    expect(await reason(await withCaveats('path=/cal'))).toBe('caveat_path');
    expect(await reason(await withCaveats('client=0.0.0.0/0,::/0'))).toBe('caveat_client');
    expect(await reason(await withCaveats(`request=${zeros}`))).toBe('request_digest_wrong');
    const label = '0123456789abcdef';
    const counting = Array.from({ length: 5 }, () => `max_calls=1:${label}`);
    expect(await reason(await withCaveats(...counting))).toBe('counters_too_many');
    expect(await reason(await withCaveats(`max_msat=999:${label}`))).toBe('caveat_exhausted');
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
    const gone = { lightning: { ...lightning, lookUp: async () => 'gone' as const } };
    const strict = await of({ service: 'call', terms: { settlement: 'strict' } });
    const over = await ask('/call/x', { headers: { authorization: strict } }, gone);
    expect([over.status, (await over.json<{ code: ProblemCode }>()).code]).toEqual([402, 'invoice_gone']);
    produced.add('invoice_gone');
    const { cutShort, withoutTerms } = await import('./odd-tokens.ts');
    expect(await reason(await cutShort())).toBe('minter_caveats_missing');
    expect(await reason(await withoutTerms())).toBe('terms_missing');
  });

  it('M17: a malformed request, a closed route or a part that is down is never answered with a challenge', async () => {
    expect(await reasonOf('/call//x')).toBe('path_malformed');
    expect(await reasonOf('/Premium')).toBe('path_ambiguous');
    expect(await reasonOf('/agent?svc=a&svc=b')).toBe('parameter_ambiguous');
    expect(await reasonOf(`/agent?${'a&'.repeat(256)}svc=dear`)).toBe('too_many_parameters');
    const grpc = await ask('/call/x', { method: 'POST', headers: { 'content-type': 'application/grpc+proto' } });
    expect([grpc.status, grpc.headers.get('grpc-status'), await grpc.text()]).toEqual([200, '12', '']);
    for (const code of ['grpc_unsupported', 'body_unexpected'] as const) produced.add(code); // the latter: test/e2e/strict-origin.test.ts
    expect(await reasonOf('/planned', { headers: { 'x-plan': 'basic, pro' } })).toBe('header_ambiguous');
    expect(await reasonOf(',other.test/call/x')).toBe('host_malformed');
    const large = { method: 'POST', body: 'a'.repeat(17), headers: { 'content-length': '17' } };
    expect(await reasonOf('/small/x', large)).toBe('body_too_large');
    expect(await reasonOf('/zone/x', { headers: { 'x-l402-via': 'gateway.test' } })).toBe('loop_detected');
    expect(await reasonOf('/call/x', { headers: { authorization: 'a'.repeat(40_000) } })).toBe('header_too_large');
    expect(await reasonOf('/call/x', { method: 'TRACE' })).toBe('method_unsupported');
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
    const strict = async () => {
      const { authorization } = await makeToken({ service: 'call', terms: { settlement: 'strict' } });
      return { headers: { authorization } };
    };
    expect(await reasonOf('/call/x', await strict())).toBe('settlement_unknown');
    expect(await reasonOf('/call/x', await strict(), { lightning: { ...deadNode, lookUp: async () => 'open' } })).toBe('invoice_unsettled');
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
    const { code } = await unconfigured.json<{ code: ProblemCode }>();
    expect([unconfigured.status, code]).toEqual([500, 'config_invalid']);
    produced.add(code);
  });

  it('M17: a policy says in its own words why it turns a request away, and never offers an invoice for it', async () => {
    const behind = (policy: Gateway['policy'], route: object = {}) => {
      const gateway = { routes: [{ match: '/call/*', service: 'call', priceSats: 1, ...route }], policy };
      const barred = readConfig(gateway, { ...VARIABLES, ORIGIN_URL: 'http://127.0.0.1:1' });
      if (!barred.ok) throw new Error(barred.refusal.join('; '));
      return { settings: barred.value.settings };
    };
    const paid = async () => ({ headers: { authorization: (await makeToken({ service: 'call' })).authorization } });
    const reason = async (changes: Partial<GateDeps>, init?: RequestInit) => {
      const code = await reasonOf('/call/x', init, changes);
      expect(PROBLEM_TYPES[code].mayCostInvoice).toBe(code === 'token_revoked');
      return code;
    };
    const gone = () => Promise.reject(new Error('object gone'));
    const control = (index: Parameters<typeof fakeControl>[0]) => ({ control: fakeControl(index) });
    expect(await reason(behind({ block: { countries: ['XA'] } }))).toBe('client_blocked');
    expect(await reason({ control: fakeControl({}, true) }, await paid())).toBe('control_unknown');
    expect(await reason(control({ maintenances: [{ route: '*', fromSeconds: 0, extendsPasses: false }] }), await paid())).toBe(
      'maintenance',
    );
    const isDown = control({ openUntilMs: new Map([['http://127.0.0.1:1', Infinity]]) });
    expect(await reason(isDown, await paid())).toBe('origin_down');
    const { startEmbedded } = await import('./embedded-mint.ts');
    expect(await reason({ ...control({ isRevoked: () => true }), lightning: startEmbedded() }, await paid())).toBe('token_revoked');
    const refused = { kind: 'refused', by: 'challenges', retryAfterSeconds: 7, readings: [] } as const;
    expect(await reason({ quota: { ...openQuota, ask: () => Promise.resolve(refused) } })).toBe('quota_exceeded');
    expect(await reason({ quota: { ...openQuota, ask: gone } })).toBe('quota_unavailable');
    const limited = behind({}, { policy: { rate: { calls: 1, seconds: 1 } } });
    const full = () => Promise.resolve({ allowed: false, retryAfterSeconds: 1, readings: [{ remaining: 0, resetSeconds: 1 }] });
    expect(await reason({ ...limited, rates: { take: full } }, await paid())).toBe('rate_limited');
    expect(await reason({ ...limited, rates: { take: gone } }, await paid())).toBe('rate_unavailable');
    const places = { enter: () => Promise.resolve(undefined) };
    expect(await reason({ ...behind({ concurrency: { most: 1 } }), places }, await paid())).toBe('origin_busy');
    const leaving = new AbortController();
    const free = { enter: () => Promise.resolve(() => undefined) };
    const origin = () => (leaving.abort(), new Promise<Response>(() => undefined));
    const asked = { ...(await paid()), signal: leaving.signal };
    expect(await reason({ ...behind({ concurrency: { most: 1 } }), places: free, origin }, asked)).toBe('client_left');
  });

  it('M17 M26: a price that cannot be worked out is told as what is missing, never guessed', async () => {
    const bounds = { minSats: 1, maxSats: 9 };
    const routes = [
      { match: 'GET /count', price: { parameter: 'n', unitSats: 1, max: 9 } },
      { match: 'GET /header', price: { header: 'x-n', unitSats: 1, max: 9 } },
      { match: 'POST /size', price: { perKibibyteSats: 1 }, ...bounds },
      { match: 'GET /function', price: () => 0n, ...bounds },
    ];
    const priced = readConfig({ routes }, { ...VARIABLES, ORIGIN_URL: 'http://127.0.0.1:1' });
    if (!priced.ok) throw new Error(priced.refusal.join('; '));
    const reason = (path: string, init: RequestInit = {}) => reasonOf(path, init, { settings: priced.value.settings });
    const post = (length: string) => ({ method: 'POST', body: 'x', headers: { 'content-length': length } });
    expect(await reason('/count?n=10')).toBe('price_input_invalid');
    expect(await reason('/header', { headers: { 'x-n': '1, 2' } })).toBe('header_ambiguous');
    expect(await reason('/size', post('unknown'))).toBe('length_required');
    expect(await reason('/size', post('9217'))).toBe('body_too_large');
    expect(await reason('/size', { method: 'POST', body: 'a', headers: { 'content-encoding': 'gzip' } })).toBe('encoding_unsupported');
    expect(await reason('/function')).toBe('price_unavailable');
  });

  it('M17 M32: a body that is too slow, one of too many, or a client that has gone costs nothing', async () => {
    const { token, preimage } = await makeToken({ service: 'call' });
    const narrowed = await attenuate(token, { requestDigest: '00'.repeat(32) });
    const headers = { authorization: formatCredential({ scheme: 'L402', token: narrowed, preimage }) };
    const endless = (): RequestInit => ({ method: 'POST', headers, body: new ReadableStream<Uint8Array>() });
    expect(await reasonOf('/call/x', endless(), { bodies: createHeldBodies(() => Promise.resolve()) })).toBe('body_too_slow');
    const crowded = { bodies: { read: () => refuse({ code: 'bodies_crowded', detail: 'full', retryAfterSeconds: 1 } as const) } };
    expect(await reasonOf('/call/x', endless(), crowded)).toBe('bodies_crowded');
    const { authorization } = await makeToken({ service: 'call' });
    expect(await reasonOf('/call/x', { headers: { authorization }, signal: AbortSignal.abort() })).toBe('client_gone');
    const paid = async (): Promise<RequestInit> => ({ headers: { authorization: (await makeToken({ service: 'call' })).authorization } });
    const stuck: RequestInit = {
      method: 'POST',
      headers: { ...(await paid()).headers, 'content-length': '9' },
      body: new ReadableStream(),
    };
    const silent = () => new Promise<Response>(() => undefined);
    expect(await reasonOf('/call/x', stuck, { origin: silent, wait: () => Promise.resolve() })).toBe('upload_failed');
  });

  it('M30: an order to the gateway without its secret, or one that it does not know, is refused', async () => {
    const { control } = openPolicies();
    const secret = new Uint8Array(32).fill(5);
    const operator = {
      secret,
      control,
      revokeClaim: () => Promise.resolve(),
      findRevocable: () => undefined,
      graceHours: 1,
      matches: new Set<string>(),
    };
    const order = (authorization: string) => ({ method: 'POST', body: '{}', headers: { authorization } });
    expect(await reasonOf('/_l402/control', order('Bearer 00'), { operator })).toBe('order_unauthorized');
    expect(await reasonOf('/_l402/control', order(`Bearer ${'05'.repeat(32)}`), { operator })).toBe('order_invalid');
  });

  it('M24: a push of payments that is not signed, or not of the contract, is refused', async () => {
    const namespace = (env as unknown as Pick<Required<Env>, 'SETTLEMENTS'>).SETTLEMENTS;
    const key = { id: 'k1', secret: new Uint8Array(32).fill(5) };
    const settlements = createDurableSettlements(namespace, { key, clock });
    expect(await reasonOf('/_l402/settlements', { method: 'POST', body: '{}' }, { settlements })).toBe('push_unauthorized');
    expect(await reasonOf('/_l402/settlements', makePush({}, { key }).init, { settlements })).toBe('push_invalid');
  });

  afterAll(() => {
    const missing = PROBLEM_CODES.filter((code) => !produced.has(code));
    expect(missing).toEqual([]);
    for (const code of produced) expect((PROBLEM_TYPES[code] as ProblemType).title).not.toBe('');
  });
});
