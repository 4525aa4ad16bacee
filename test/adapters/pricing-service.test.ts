/*
 * The pricing port against a real HTTP server: what goes over the wire, what is remembered, and for how long.
 */
import { createHmac, createHash } from 'node:crypto';
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

/** What a pricing service does: the check of docs/pricing.md. */
function isSigned({ url, headers, body }: (typeof seen)[number]): boolean {
  const { 'x-l402-pricing-time': time, 'x-l402-pricing-nonce': nonce, 'x-l402-pricing-signature': signature } = headers;
  const lines = ['l402-pricing v1', 'POST', url, createHash('sha256').update(body).digest('hex'), time, nonce];
  return (
    createHmac('sha256', SECRET)
      .update(`${lines.join('\n')}\n`)
      .digest('hex') === signature
  );
}

describe('a pricing service', () => {
  it('is sent a signed question with a nonce of its own each time', async () => {
    const pricing = makePricing();
    expect(await pricing(question({ cacheSeconds: 0 }))).toBe(1000n);
    expect(await pricing(question({ cacheSeconds: 0 }))).toBe(1000n);
    expect(seen.map(isSigned)).toEqual([true, true]);
    expect(seen.map(({ url, body }) => [url, body])).toEqual([
      ['/v1/price', '{"path":"/a"}'],
      ['/v1/price', '{"path":"/a"}'],
    ]);
    expect(new Set(seen.map(({ headers }) => headers['x-l402-pricing-nonce'])).size).toBe(2);
    expect(seen[0]!.headers['x-l402-pricing-time']).toBe('1800000000');
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
