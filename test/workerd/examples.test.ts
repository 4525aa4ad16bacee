/*
 * The examples, as they are: each is opened over real objects and bought from.
 */
import { describe, expect, it } from 'vitest';
import { gateway as llmCredit } from '#examples/llm-credit/gateway.config.ts';
import { gateway as marketplace } from '#examples/marketplace/gateway.config.ts';
import { gateway as oneApi } from '#examples/one-api/gateway.config.ts';
import { type Gateway } from '#src/config.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, openGateway } from './front-door.ts';

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
