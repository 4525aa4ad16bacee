/*
 * Prices over real sockets: bodies framed as clients frame them, headers as they are sent, and a pricing service that is asked
 * over HTTP.
 */
import { createHash, createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createL402Fetch } from '#client/index.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { sendRaw, type RawRequest } from '#support/raw-http.ts';
import { BRIDGE_SECRET_HEX, startTestSystem, type TestSystem } from '#support/test-system.ts';
import { makeToken, TOKEN_SECRET_HEX } from '#support/tokens.ts';

const PRICING_SECRET_HEX = 'c7'.repeat(32);
const secrets = { TOKEN_SECRET_1: TOKEN_SECRET_HEX, BRIDGE_SECRET: BRIDGE_SECRET_HEX, PRICING_SECRET: PRICING_SECRET_HEX };
let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem([{ name: 'priced', bundle: 'priced', secrets }]);
});
afterAll(() => system.close());

const send = (request: RawRequest) => sendRaw(system.ports['priced']!, request);

/** What the invoice of a 402 asks for, or the status. */
async function priceOf(request: RawRequest): Promise<bigint | number> {
  const { head, status } = await send(request);
  const offer = parseL402Offer(/^www-authenticate: (.*)$/im.exec(head)?.[1] ?? '');
  const invoice = offer.ok ? parseInvoice(offer.value.invoice) : undefined;
  return invoice?.ok === true ? (invoice.value.amountMsat ?? 0n) : status;
}

/** A body in chunks, as HTTP/1.1 frames it. */
const chunked = (...parts: readonly string[]) => `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;

describe('a price by size, over the wire', () => {
  const post = (body: string, headers: Readonly<Record<string, string>> = {}) => ({ method: 'POST', target: '/size', body, headers });

  it('P17 M26: is over Content-Length; a chunked body is 411, with or without a length beside it', async () => {
    expect(await priceOf(post('x'.repeat(1025)))).toBe(2000n);
    expect(await priceOf({ target: '/size' })).toBe(1000n);
    for (const length of [{}, { 'content-length': '1' }]) {
      expect(await priceOf(post(chunked('abc'), { 'transfer-encoding': 'chunked', ...length }))).toBe(411);
    }
    expect(system.origin.seen).toEqual([]);
  });

  it('M26: the origin gets what was priced and its length, and nothing that follows it', async () => {
    const { authorization } = await makeToken({ service: 'size' });
    const answer = await send(post('0123456789', { authorization, 'content-length': '4' }));
    expect(answer.status).toBe(200);
    expect(system.origin.seen).toMatchObject([{ url: '/size', body: '0123', headers: { 'content-length': '4' } }]);
    expect(system.origin.seen[0]!.headers).not.toHaveProperty('transfer-encoding');
  });
});

describe('a priced header, over the wire', () => {
  it('M26: stands once; a second line, an underscore or Connection make it a 400', async () => {
    expect(await priceOf({ target: '/header', headers: { 'X-Model': 'large' } })).toBe(20_000n);
    const { authorization } = await makeToken({ service: 'header' });
    for (const headers of [
      { 'X-Model': 'small', 'x-model': 'large' },
      { 'X-Model': 'small', X_Model: 'large' },
      { 'X-Model': 'small', connection: 'close, X-Model' },
    ]) {
      const answer = await send({ target: '/header', headers: { ...headers, authorization } });
      expect([answer.status, answer.body.includes('"header_ambiguous"')], JSON.stringify(headers)).toEqual([400, true]);
    }
    expect(system.origin.seen.some(({ url }) => url === '/header')).toBe(false);
  });
});

describe('a pricing service, over the wire', () => {
  /** What docs/pricing.md tells the seller to check. */
  function isSigned({ url, headers, body }: TestSystem['origin']['seen'][number]): boolean {
    const field = (name: string) => String(headers[`x-l402-pricing-${name}`]);
    const lines = ['l402-pricing v1', 'POST', url, createHash('sha256').update(body).digest('hex'), field('time'), field('nonce')];
    return (
      createHmac('sha256', Buffer.from(PRICING_SECRET_HEX, 'hex'))
        .update(`${lines.join('\n')}\n`)
        .digest('hex') === field('signature')
    );
  }

  it('P17 F10: decides by the body, is asked with a signature, and two bodies are two payments', async () => {
    const { seen } = system.origin;
    seen.length = 0;
    system.origin.respond = (request, response) => {
      const { body } = seen.findLast(({ url }) => url === request.url)!;
      if (request.url !== '/prices') return void response.end(`did ${body}`);
      const presented = Buffer.from((JSON.parse(body) as { body_base64: string }).body_base64, 'base64');
      return void response.end(JSON.stringify({ price_msat: String(presented.length * 1000) }));
    };
    const paid: bigint[] = [];
    const wallet = (invoice: string) => {
      const facts = parseInvoice(invoice);
      if (facts.ok) paid.push(facts.value.amountMsat ?? 0n);
      return system.pay(invoice);
    };
    const l402Fetch = createL402Fetch({ wallet, maxPriceSats: 100, network: 'regtest' });
    for (const body of ['one', 'three']) {
      const answer = await l402Fetch(`${system.urlOf('priced')}/asked/run`, { method: 'POST', body });
      expect(await answer.text()).toBe(`did ${body}`);
    }
    expect(paid).toEqual([3000n, 5000n]);
    const questions = seen.filter(({ url }) => url === '/prices');
    expect(questions.map(isSigned)).toEqual([true, true, true, true]);
    expect(JSON.stringify(questions)).not.toMatch(/l402 |preimage|macaroon/i);
  });

  it('M26: a chunked body is shown and sent on whole; one beyond the prefix is 413', async () => {
    const { authorization } = await makeToken({ service: 'asked' });
    const headers = { 'transfer-encoding': 'chunked', authorization };
    const request = (...parts: readonly string[]) => send({ method: 'POST', target: '/asked/chunks', headers, body: chunked(...parts) });
    expect((await request('x'.repeat(40), 'y'.repeat(40))).status).toBe(413);
    const answer = await request('x'.repeat(30), 'y'.repeat(30));
    expect(answer.body).toContain(`did ${'x'.repeat(30)}${'y'.repeat(30)}`);
    expect(system.origin.seen.at(-1)!.headers['content-length']).toBe('60');
  });

  it('M17: a service that is broken is 503, and the payment is good when it is well again', async () => {
    const { authorization } = await makeToken({ service: 'asked' });
    const request = { method: 'POST', target: '/asked/broken', body: 'x', headers: { authorization } };
    const { respond } = system.origin;
    system.origin.respond = (_, response) => void response.writeHead(500).end();
    expect((await send(request)).body).toContain('"price_unavailable"');
    system.origin.respond = respond;
    expect((await send(request)).body).toContain('did x');
  });
});
