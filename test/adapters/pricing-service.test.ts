/*
 * The pricing port against a real HTTP server: what goes over the wire, what is remembered, and for how long.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPricing } from '#adapters/pricing-service.ts';
import { closeServer } from '#local/sample-origin.ts';
import { type PriceQuestion } from '#src/ports.ts';
import { hmac } from '#support/tokens.ts';

const SECRET = new Uint8Array(32).fill(0xc7);
const seen: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
let respond: (response: ServerResponse) => void;
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  seen.push({ url: request.url ?? '', headers: request.headers, body });
  respond(response);
});
let address: string;
let nowMs = 1_800_000_000_000;

beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/price`;
});
afterAll(() => closeServer(server));
beforeEach(() => {
  seen.length = 0;
  respond = (response) => void response.end('{ "price_msat": "1000" }');
});

function makePricing() {
  let drawn = 0;
  const random = (length: number) => new Uint8Array(length).fill((drawn += 1));
  return createPricing({ secret: SECRET, bindingOf: () => undefined, hmac, clock: () => nowMs, random });
}

const question = (changes: Partial<PriceQuestion> = {}): PriceQuestion => ({
  service: address,
  body: '{"path":"/a"}',
  timeoutMs: 5000,
  cacheSeconds: 10,
  ...changes,
});

interface Question {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
type Check = (question: Question, secretHex: string, nowSeconds: number) => boolean;

/** The check that docs/pricing.md shows, as it stands there. */
async function loadCheck(): Promise<Check> {
  const [, code] = /```js\n([\s\S]*?)```/.exec(readFileSync('docs/pricing.md', 'utf8')) ?? [];
  const loaded = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code ?? '')}`)) as { isFromGateway: Check };
  return loaded.isFromGateway;
}

describe('a pricing service', () => {
  it('is sent a signed question with a nonce of its own each time, which the check in docs/pricing.md takes and nothing else', async () => {
    const pricing = makePricing();
    const isFromGateway = await loadCheck();
    for (let index = 0; index < 2; index++) expect(await pricing(question({ cacheSeconds: 0 }))).toBe(1000n);
    const [asked] = seen.map(({ url, headers, body }): Question => ({ method: 'POST', path: url, headers, body })) as [Question];
    const [secretHex, nowSeconds] = ['c7'.repeat(32), 1_800_000_000];
    expect([asked.path, asked.body]).toEqual(['/v1/price', '{"path":"/a"}']);
    expect(isFromGateway(asked, secretHex, nowSeconds)).toBe(true);
    expect(isFromGateway(asked, 'c8'.repeat(32), nowSeconds)).toBe(false);
    expect(isFromGateway(asked, secretHex, nowSeconds + 61)).toBe(false);
    const others = [{ path: '/v1/other' }, { body: '{"path":"/b"}' }, { method: 'PUT' }, { headers: {} }];
    for (const other of others) expect(isFromGateway({ ...asked, ...other }, secretHex, nowSeconds)).toBe(false);
    expect(new Set(seen.map(({ headers }) => headers['x-l402-pricing-nonce'])).size).toBe(2);
  });

  it('M26: an answer is used again for exactly the same question, and no longer than it may be', async () => {
    const pricing = makePricing();
    await pricing(question());
    await pricing(question());
    expect(seen).toHaveLength(1);
    for (const body of ['{"path":"/b"}', '{"path":"/a" }', '']) await pricing(question({ body }));
    expect(seen).toHaveLength(4);
    await pricing(question({ service: `${address}2` }));
    expect(seen).toHaveLength(5);
    nowMs += 9999;
    await pricing(question());
    expect(seen).toHaveLength(5);
    nowMs += 1;
    await pricing(question());
    expect(seen).toHaveLength(6);
  });

  it('M26: a refusal or a failure is never remembered', async () => {
    const pricing = makePricing();
    respond = (response) => void response.writeHead(503).end();
    await expect(pricing(question())).rejects.toThrow('answered 503');
    respond = (response) => void response.end('{ "price_msat": "2000" }');
    expect(await pricing(question())).toBe(2000n);
  });

  it('keeps a bounded number of answers: the oldest goes first', async () => {
    const asked: string[] = [];
    const fetch = (_: string, { body }: RequestInit) => {
      asked.push(String(body));
      return Promise.resolve(Response.json({ price_msat: '1000' }));
    };
    const pricing = createPricing({
      secret: SECRET,
      bindingOf: () => ({ fetch }),
      hmac,
      clock: () => nowMs,
      random: () => SECRET.slice(16),
    });
    for (let index = 0; index <= 1000; index++) await pricing(question({ body: String(index) }));
    asked.length = 0;
    for (const body of ['1000', '1', '0']) await pricing(question({ body }));
    expect(asked).toEqual(['0']);
  });

  it('that gives no answer in time has given none', async () => {
    respond = () => undefined;
    await expect(makePricing()(question({ timeoutMs: 20 }))).rejects.toThrow();
    expect(seen).toHaveLength(1);
  });

  it('is not asked without a secret, and an error says nothing of the secret or the question', async () => {
    const unsigned = createPricing({ secret: undefined, bindingOf: () => undefined, hmac, clock: () => nowMs, random: () => SECRET });
    await expect(unsigned(question())).rejects.toThrow('PRICING_SECRET');
    expect(seen).toEqual([]);
    respond = (response) => void response.end('{ "price_msat": "1000", "debug": "my-secret" }');
    const error = await makePricing()(question()).catch((thrown: Error) => thrown.message);
    expect(error).toBe('the pricing service sent an answer that is not { "price_msat": "…" }');
  });
});
