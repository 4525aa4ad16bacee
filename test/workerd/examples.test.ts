/*
 * The examples, as they are: each is opened over real objects and bought from.
 */
import { describe, expect, it } from 'vitest';
import { gateway as existingDomain } from '#examples/existing-domain/gateway.config.ts';
import { gateway as freeTier } from '#examples/free-tier/gateway.config.ts';
import { gateway as llmCredit } from '#examples/llm-credit/gateway.config.ts';
import { gateway as marketplace } from '#examples/marketplace/gateway.config.ts';
import { gateway as oneApi } from '#examples/one-api/gateway.config.ts';
import { msat } from '#protocol/msat.ts';
import { type Gateway } from '#src/config/config.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, from, openGateway } from './front-door.ts';

/** Opens an example with nothing set but what its README names. */
function open(gateway: Gateway, secrets: Readonly<Record<string, string>> = {}) {
  const seen: Request[] = [];
  const lightning = startEmbedded();
  const answers: Response[] = [];
  const origin = (request: Request) => {
    seen.push(request);
    return Promise.resolve(answers.shift() ?? new Response('origin'));
  };
  const door = openGateway(gateway, { variables: { ORIGIN_URL: undefined, ...secrets }, parts: { lightning, origin } });
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await door.ask(path, init);
    const left = response.headers.get('l402-remaining') ?? response.headers.get('l402-remaining-msat');
    return { status: response.status, code: await codeOf(response.clone()), left, response };
  };
  return {
    seen,
    answers,
    ask,
    use: (path: string, authorization: string, init: RequestInit = {}) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', authorization);
      return ask(path, { ...init, headers });
    },
    /** What a request would cost, in satoshi. */
    priceOf: async (path: string, init: RequestInit = {}) => {
      const { price_sats: price } = await (await door.ask(path, init)).json<{ price_sats?: number }>();
      return price;
    },
    purchase: (path: string, init: RequestInit = {}) => buy({ ...door, ask: (to) => door.ask(to, init) }, path, lightning.pay),
  };
}

describe('examples/one-api', () => {
  it('sells calls, packs and hours of one origin, gives its health away and keeps its admin to itself', async () => {
    const { ask, use, priceOf, purchase, seen } = open(oneApi);
    expect([await priceOf('/v1/weather/oslo'), await priceOf('/v1/history/2020'), await priceOf('/v1/live')]).toEqual([10, 500, 200]);
    const call = await purchase('/v1/weather/oslo');
    expect(await use('/v1/weather/oslo', call)).toMatchObject({ status: 200, left: '0' });
    expect(await use('/v1/weather/oslo', call)).toMatchObject({ status: 402, code: 'payment_spent' });
    const pack = await purchase('/v1/history/2020');
    expect(await use('/v1/history/2020/05', pack)).toMatchObject({ status: 200, left: '99' });
    const hour = await purchase('/v1/live');
    for (let calls = 0; calls < 3; calls++) expect(await use('/v1/live', hour)).toMatchObject({ status: 200, left: null });
    expect(await ask('/health')).toMatchObject({ status: 200 });
    expect(await ask('/admin/users')).toMatchObject({ status: 403, code: 'route_closed' });
    expect(await ask('/elsewhere')).toMatchObject({ status: 404, code: 'route_unknown' });
    expect(seen.map(({ url }) => url.replace('https://api.example.com', ''))).toEqual([
      '/v1/weather/oslo',
      '/v1/history/2020/05',
      '/v1/live',
      '/v1/live',
      '/v1/live',
      '/health',
    ]);
  });
});

describe('examples/marketplace', () => {
  it('A6: sells each service at its own price to its own origin; a token of one is none of another', async () => {
    const { ask, use, priceOf, purchase, seen } = open(marketplace, { AUDIT_KEY: 'key of the audit' });
    const post = { method: 'POST', body: 'write to me@example.com' };
    const [audit, cycle, data] = ['/agent?svc=privacy-audit', '/agent?svc=cycle', '/agent?svc=data&rows=40'] as const;
    expect([await priceOf(audit, post), await priceOf(cycle), await priceOf(data)]).toEqual([21, 100, 20]);
    expect([await priceOf('/agent?svc=data&rows=1'), await priceOf('/agent?svc=data&rows=10000')]).toEqual([1, 5000]);
    expect(await use(audit, await purchase(audit, post), post)).toMatchObject({ status: 200, left: '0' });
    const cycles = await purchase(cycle);
    expect(await use(cycle, cycles)).toMatchObject({ status: 200, left: '11' });
    expect(await use(data, cycles)).toMatchObject({ status: 402, code: 'service_wrong' });
    expect(await use(data, await purchase(data))).toMatchObject({ status: 200 });
    expect(await ask('/services')).toMatchObject({ status: 200 });
    expect(await ask('/agent?svc=nothing')).toMatchObject({ status: 404, code: 'route_unknown' });
    expect(await ask('/agent?svc=cycle&svc=data')).toMatchObject({ status: 400, code: 'parameter_ambiguous' });
    expect(seen.map(({ url, headers }) => [url, headers.get('x-api-key')])).toEqual([
      ['https://audit.example.com/run?svc=privacy-audit', 'key of the audit'],
      ['https://signals.example.com/agent?svc=cycle', null],
      ['https://data.example.com/agent?svc=data&rows=40', null],
      ['https://market.example.com/services', null],
    ]);
  });
});

describe('examples/llm-credit', () => {
  const chat = (model: string) => `/v1/${model}/chat/completions`;
  const post = (body: string) => ({ method: 'POST', body, headers: { 'content-length': String(body.length) } });

  it('P12: sells a balance that each model draws its own price from, and the upstream gets the seller’s key', async () => {
    const { ask, use, priceOf, purchase, seen, answers } = open(llmCredit, { UPSTREAM_AUTHORIZATION: 'Bearer upstream' });
    expect(await priceOf(chat('small'), post('{}'))).toBe(1000);
    const balance = await purchase(chat('small'), post('{}'));
    expect(await use(chat('small'), balance, post('{}'))).toMatchObject({ status: 200, left: '998000' });
    expect(await use(chat('large'), balance, post('{}'))).toMatchObject({ status: 200, left: '958000' });
    expect(await use('/v1/embeddings', balance, post('x'.repeat(10_000)))).toMatchObject({ status: 200, left: '955500' });
    answers.push(new Response('busy', { status: 429 }));
    expect(await use(chat('large'), balance, post('{}'))).toMatchObject({ status: 429, left: '955500' });
    expect(await use(chat('unknown'), balance, post('{}'))).toMatchObject({ status: 503, code: 'price_unavailable' });
    expect(await ask('/v1/models')).toMatchObject({ status: 200 });
    const sent = seen.map(({ url, headers }) => [url.replace('https://llm.example.com', ''), headers.get('authorization')]);
    expect(sent).toEqual([
      ['/openai/deployments/small/chat/completions', 'Bearer upstream'],
      ['/openai/deployments/large/chat/completions', 'Bearer upstream'],
      ['/v1/embeddings', 'Bearer upstream'],
      ['/openai/deployments/large/chat/completions', 'Bearer upstream'],
      ['/v1/models', null],
    ]);
  });

  it('P12: when the balance is not enough for a call, it still is for a smaller one', async () => {
    const { use, purchase } = open(llmCredit, { UPSTREAM_AUTHORIZATION: 'Bearer upstream' });
    const balance = await purchase(chat('large'), post('{}'));
    for (let calls = 0; calls < 24; calls++) await use(chat('large'), balance, post('{}'));
    expect(await use(chat('medium'), balance, post('{}'))).toMatchObject({ left: '32000' });
    const short = await use(chat('large'), balance, post('{}'));
    expect(short).toMatchObject({ status: 402, code: 'payment_spent' });
    expect(await short.response.json()).toMatchObject({ price_sats: 1000, remaining_msat: 32_000 });
    expect(await use(chat('small'), balance, post('{}'))).toMatchObject({ status: 200, left: '30000' });
  });
});

describe('examples/existing-domain', () => {
  const at = (path: string) => `https://www.example.com${path}`;

  it('sells two parts of a domain and passes everything else on to where it went before, cookies and caching as they were', async () => {
    const { ask, use, priceOf, purchase, seen, answers } = open(existingDomain);
    expect([await priceOf(at('/api/reports/7')), await priceOf(at('/archive/1999/05'))]).toEqual([50, 300]);
    const report = await purchase(at('/api/reports/7'));
    expect(await use(at('/api/reports/7'), report)).toMatchObject({ status: 200, left: '0' });
    expect(await use(at('/api/reports/7'), report)).toMatchObject({ status: 402, code: 'payment_spent' });
    const day = await purchase(at('/archive/1999/05'));
    answers.push(new Response('page', { headers: { 'cache-control': 'public, max-age=600' } }));
    const page = await use(at('/archive/2001/01'), day);
    expect([page.status, page.response.headers.get('cache-control')]).toEqual([200, 'private, max-age=600']);
    const cookies = ['session=1; HttpOnly', 'theme=dark'].map((cookie): [string, string] => ['set-cookie', cookie]);
    answers.push(new Response('home', { headers: [...cookies, ['cache-control', 'public, max-age=600']] }));
    const { headers } = (await ask(at('/login?next=%2F'), { method: 'POST', body: 'user=1' })).response;
    expect([headers.getSetCookie(), headers.get('cache-control')]).toEqual([cookies.map(([, cookie]) => cookie), 'public, max-age=600']);
    expect(seen.map(({ method, url }) => [method, url])).toEqual([
      ['GET', at('/api/reports/7')],
      ['GET', at('/archive/2001/01')],
      ['POST', at('/login?next=%2F')],
    ]);
  });

  it('M25 M29: gives nothing that is sold away under another spelling, method or host, and never calls itself', async () => {
    const { ask, seen } = open(existingDomain);
    for (const path of ['/Archive/1999', '/archive//1999', '/api/reports/7/', '/api/%72eports/7']) {
      expect(await ask(at(path)), path).toMatchObject({ status: 400 });
    }
    for (const path of ['/api/reports/7', '/archive/1999']) {
      expect(await ask(at(path), { method: 'POST' }), path).toMatchObject({ status: 403, code: 'route_closed' });
    }
    expect(await ask('https://other.example/')).toMatchObject({ status: 404, code: 'route_unknown' });
    expect(await ask(at('/'), { headers: { 'x-l402-via': 'www.example.com' } })).toMatchObject({ status: 508, code: 'loop_detected' });
    expect(seen).toEqual([]);
  });
});

describe('examples/free-tier', () => {
  it('gives each client twenty calls a day, then sells; what is too expensive is never free', async () => {
    const { ask, use, priceOf, purchase, seen } = open(freeTier);
    const anna = from('203.0.113.7');
    for (let left = 19; left >= 0; left--) {
      const { status, response } = await ask(left % 2 === 0 ? '/v1/rates' : '/v1/rates/chf', anna);
      expect([status, response.headers.get('ratelimit')]).toEqual([200, expect.stringContaining(`"free";r=${left};t=`)]);
    }
    for (const path of ['/v1/rates', '/v1/rates/chf', '/v1/rates/eur?x=1']) {
      expect(await ask(path, anna), path).toMatchObject({ status: 402, code: 'payment_required' });
    }
    const call = await purchase('/v1/rates/chf', anna);
    expect(await use('/v1/rates/chf', call, anna)).toMatchObject({ status: 200, left: '0' });
    expect(await ask('/v1/rates', from('203.0.113.8'))).toMatchObject({ status: 200 });
    const forecast = { ...from('203.0.113.9'), method: 'POST', body: '{}' };
    expect(await priceOf('/v1/forecast', forecast)).toBe(100);
    const pack = await purchase('/v1/forecast', forecast);
    expect(await use('/v1/forecast', pack, forecast)).toMatchObject({ status: 200, left: '9' });
    expect(seen).toHaveLength(23);
  });

  it('a payer uses no free calls up', async () => {
    const { ask, use } = open({ ...freeTier, policy: { freeCalls: { calls: 1, seconds: 86_400, total: 16_000 } } });
    const client = from('203.0.113.20');
    const { authorization } = await makeToken({ service: 'rates', terms: { paidMsat: msat(2000n) } });
    expect(await use('/v1/rates', authorization, client)).toMatchObject({ status: 200, left: '0' });
    expect(await ask('/v1/rates', client)).toMatchObject({ status: 200, left: null });
    expect(await ask('/v1/rates', client)).toMatchObject({ status: 402 });
  });
});
